# The gateway and the emulated engine: concur-proxy with the pinned requirements, run by an unprivileged user.
# `python -m tests.supply images` shows how to look up the digests that pin these images.
FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/concur-proxy
COPY requirements.lock ./
RUN /opt/concur-proxy/bin/python -m pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY concur_proxy ./concur_proxy
RUN /opt/concur-proxy/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/concur-proxy/bin/python -m pip uninstall --yes editables hatchling pip

FROM python:3.12-slim-bookworm
COPY --from=build /opt/concur-proxy /opt/concur-proxy
ENV PATH=/opt/concur-proxy/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CONCUR_HOST=0.0.0.0
USER 65532:65532
EXPOSE 8300
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, ssl, urllib.request as r; e = os.environ.get; k = e('CONCUR_TLS_CLIENT_CERT'); p = e('CONCUR_PORT') or '8300'; c = ssl._create_unverified_context(); k and c.load_cert_chain(k, e('CONCUR_TLS_CLIENT_KEY') or None); u = ('https' if e('CONCUR_TLS_CERT') else 'http') + '://127.0.0.1:8300/healthz'.replace('8300', p); ssl.get_server_certificate(('127.0.0.1', int(p)), timeout=2) if e('CONCUR_TLS_CLIENT_CA') and not k else r.build_opener(r.ProxyHandler({}), r.HTTPSHandler(context=c)).open(u, timeout=2)"]
ENTRYPOINT ["concur-proxy"]
CMD ["serve"]
