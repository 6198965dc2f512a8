{{/* Names and labels. */}}
{{- define "guestlist.name" -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- define "guestlist.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "guestlist.name" .) }}
{{- end }}
{{- define "guestlist.selector" -}}
app.kubernetes.io/name: guestlist
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "guestlist.labels" -}}
{{ include "guestlist.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
