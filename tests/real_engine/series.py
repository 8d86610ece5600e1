"""The metrics of one server, the gateway or an engine."""

import httpx


class Series:
    """Reads the metrics again for each question."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/metrics"
        self._client = httpx.Client(timeout=30, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def read(self, name: str, **labels: str) -> float:
        """The sum of the series with this name and these labels; 0 if there is no such series yet."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        # line by line: at the rate of a waiting test, parsing the whole text of vLLM would take a core of its own
        samples = (line.rpartition(" ") for line in self._client.get(self._url).raise_for_status().text.splitlines())
        return sum(
            float(value)
            for series, _, value in samples
            if series.partition("{")[0] == name and all(label in series for label in wanted)
        )
