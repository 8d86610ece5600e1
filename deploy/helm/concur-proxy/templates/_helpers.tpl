{{- define "concur-proxy.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "concur-proxy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "concur-proxy.labels" -}}
{{ include "concur-proxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "concur-proxy.secret" -}}
{{ .Values.existingSecret | default (include "concur-proxy.name" .) }}
{{- end }}

{{- /* Whether the chart makes a Secret. */}}
{{- define "concur-proxy.makesSecret" -}}
{{- if and (not .Values.existingSecret) (or .Values.redis.url (and .Values.adminKey (not .Values.adminKeySecret))) }}yes{{ end }}
{{- end }}

{{- /* The Secret that may have the key admin-key, or nothing. */}}
{{- define "concur-proxy.adminKeySecret" -}}
{{- if .Values.adminKeySecret }}{{ .Values.adminKeySecret }}{{ else if or .Values.existingSecret .Values.adminKey }}{{ include "concur-proxy.secret" . }}{{ end }}
{{- end }}

{{- define "concur-proxy.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "concur-proxy.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "concur-proxy.image" -}}
{{ .Values.image.repository }}{{ if or .Values.image.tag (not .Values.image.digest) }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* How many engines are wanted, as one number. */}}
{{- define "concur-proxy.enginesWanted" -}}
max(concur_engines_wanted{job="concur-proxy",namespace={{ .Release.Namespace | quote }}{{ with .Values.engineAutoscaling.model }},model={{ . | quote }}{{ end }}})
{{- end }}

{{- define "concur-proxy.isShared" -}}
{{- if or .Values.redis.url .Values.existingSecret }}yes{{ end }}
{{- end }}

{{- define "concur-proxy.isTls" -}}
{{- if or .Values.tls.secretName .Values.settings.tls_cert }}yes{{ end }}
{{- end }}

{{- define "concur-proxy.isMutual" -}}
{{- if or .Values.tls.clientAuthority .Values.settings.tls_client_ca }}yes{{ end }}
{{- end }}

{{- /* The port of settings.admin_listen if other pods can reach it, such as 9300 of 0.0.0.0:9300. */}}
{{- define "concur-proxy.adminPort" -}}
{{- $listen := .Values.settings.admin_listen | default "" | toString }}
{{- if not (regexMatch "^(127\\.|localhost|\\[::1\\]|unix:)" $listen) }}{{ regexFind "[0-9]+$" $listen }}{{ end }}
{{- end }}

{{- /* Where Prometheus finds /metrics: the name of a port. */}}
{{- define "concur-proxy.metricsPort" -}}
{{- if .Values.settings.private_metrics }}admin{{ else }}http{{ end }}
{{- end }}

{{- define "concur-proxy.probe" -}}
{{- if include "concur-proxy.isMutual" .root }}
exec: # the kubelet has no certificate
  command: [concur-proxy, health, --config, /etc/concur-proxy/concur-proxy.yaml]
timeoutSeconds: 5
{{- else }}
httpGet: {path: {{ .path }}, port: http{{ if include "concur-proxy.isTls" .root }}, scheme: HTTPS{{ end }}}
timeoutSeconds: 3
{{- end }}
{{- end }}

{{- /* The whole seconds of .time, a number or a text such as 90s or 1h30m, rounded up, plus .add. */}}
{{- define "concur-proxy.seconds" -}}
{{- $text := .time | toString }}
{{- $total := 0.0 }}
{{- if regexMatch "[a-z]$" $text }}
{{- $units := dict "d" 86400 "h" 3600 "m" 60 "s" 1 "ms" 0.001 }}
{{- range regexFindAll "[0-9.]+[a-z]+" $text -1 }}
{{- $total = addf $total (mulf (regexFind "[0-9.]+" . | float64) (get $units (regexFind "[a-z]+" .) | float64)) }}
{{- end }}
{{- else }}
{{- $total = float64 $text }}
{{- end }}
{{- add (ceil $total | int) .add }}
{{- end }}
