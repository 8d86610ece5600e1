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

{{- define "concur-proxy.hasSecret" -}}
{{- if or .Values.existingSecret .Values.redis.url .Values.adminKey }}yes{{ end }}
{{- end }}

{{- define "concur-proxy.isShared" -}}
{{- if or .Values.redis.url .Values.existingSecret }}yes{{ end }}
{{- end }}
