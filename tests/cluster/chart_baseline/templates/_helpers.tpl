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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels with those of one kind of object, which win over commonLabels: a list of the root and the labels. */}}
{{- define "guestlist.labelsWith" -}}
{{ merge (dict) (index . 1) (include "guestlist.labels" (index . 0) | fromYaml) | toYaml }}
{{- end }}

{{/* The image, by its digest or its tag. */}}
{{- define "guestlist.image" -}}
{{- with .Values.image.digest }}
{{- printf "%s@%s" $.Values.image.repository . }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* The directory is a realm of Keycloak. Otherwise empty. */}}
{{- define "guestlist.keycloak" -}}
{{- if hasPrefix "keycloak:" .Values.directory }}true{{ end }}
{{- end }}

{{/* The port of the realm's URL. */}}
{{- define "guestlist.realmPort" -}}
{{- $url := .Values.directory | trimPrefix "keycloak:" | urlParse }}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "http" | ternary "80" "443") }}
{{- end }}

{{/* The cluster has the API of the Prometheus operator. Otherwise empty. */}}
{{- define "guestlist.prometheusOperator" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}true{{ end }}
{{- end }}
