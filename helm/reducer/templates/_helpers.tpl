{{- define "consilium.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "consilium.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* Of pods: nothing that changes with every release of the chart, or each upgrade would restart NATS and MinIO. */ -}}
{{- define "consilium.podLabels" -}}
{{ include "consilium.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Labels that may change with an upgrade; never part of a selector. */ -}}
{{- define "consilium.labels" -}}
{{ include "consilium.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: consilium
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* image: a values block; default: its tag when there is none. */ -}}
{{- define "consilium.image" -}}
{{- $tag := .image.tag | default .default -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "consilium.ownImage" -}}
{{- include "consilium.image" (dict "image" .Values.image "default" .Chart.AppVersion) -}}
{{- end -}}

{{- define "consilium.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "consilium.fullname" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- /* Bytes of a quantity: nats-server knows no Gi. */ -}}
{{- define "consilium.bytes" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[KMGT]i$" $text -}}
{{- mul (trimSuffix $unit $text | int64) (ternary 1 (get $units $unit) (eq $unit "")) -}}
{{- end -}}

{{- /* The one address, its parts, and what follows from it. */ -}}
{{- define "consilium.publicUrl" -}}
{{- .Values.publicUrl | default "http://localhost:8080" | trimSuffix "/" -}}
{{- end -}}
{{- define "consilium.publicHost" -}}
{{- regexReplaceAll ":[0-9]+$" (regexReplaceAll "^https?://" (include "consilium.publicUrl" .) "") "" -}}
{{- end -}}
{{- define "consilium.isHttps" -}}
{{- if hasPrefix "https://" (include "consilium.publicUrl" .) }}true{{ end -}}
{{- end -}}
{{- define "consilium.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "consilium.fullname" . }}-tls
{{- end -}}
{{- end -}}
{{- /* TLS ends at the gateway unless an ingress or something further out does it. */ -}}
{{- define "consilium.gatewayTls" -}}
{{- if and .Values.gateway.enabled (include "consilium.tlsSecret" .) (not .Values.ingress.enabled) }}true{{ end -}}
{{- end -}}
{{- define "consilium.gatewayPort" -}}
{{- .Values.gateway.service.port | default (ternary 443 80 (eq (include "consilium.gatewayTls" .) "true")) -}}
{{- end -}}

{{- /* Addresses inside the cluster. */ -}}
{{- define "consilium.natsServers" -}}
{{- if .Values.nats.enabled -}}
{{- $name := include "consilium.fullname" . -}}
{{- $servers := list -}}
{{- range $index := until (int .Values.nats.replicas) -}}
{{- $servers = append $servers (printf "nats://%s-nats-%d.%s-nats-peers.%s.svc.%s:4222" $name $index $name $.Release.Namespace $.Values.clusterDomain) -}}
{{- end -}}
{{- join "," $servers -}}
{{- else -}}
{{- join "," .Values.nats.external.servers -}}
{{- end -}}
{{- end -}}
{{- define "consilium.clientServers" -}}
{{- if and (not .Values.nats.enabled) .Values.nats.external.clientServers -}}
{{- join "," .Values.nats.external.clientServers -}}
{{- else -}}
{{- printf "%s/nats" (include "consilium.publicUrl" . | replace "https://" "wss://" | replace "http://" "ws://") -}}
{{- end -}}
{{- end -}}
{{- define "consilium.natsWebsocket" -}}
{{- if .Values.nats.enabled -}}
{{- printf "%s-nats.%s.svc.%s:9222" (include "consilium.fullname" .) .Release.Namespace .Values.clusterDomain -}}
{{- else -}}
{{- .Values.nats.external.websocket -}}
{{- end -}}
{{- end -}}
{{- define "consilium.storeEndpoint" -}}
{{- if .Values.store.minio.enabled -}}
{{- printf "http://%s-minio.%s.svc.%s:9000" (include "consilium.fullname" .) .Release.Namespace .Values.clusterDomain -}}
{{- else -}}
{{- .Values.store.external.endpoint | trimSuffix "/" -}}
{{- end -}}
{{- end -}}
{{- define "consilium.storePublic" -}}
{{- .Values.store.external.publicEndpoint | default (include "consilium.publicUrl" .) | trimSuffix "/" -}}
{{- end -}}

{{- /* Secrets: those that were given, else those of the bootstrap job. */ -}}
{{- define "consilium.secret.reducer" -}}
{{- .Values.existingSecrets.reducer | default (printf "%s-reducer" (include "consilium.fullname" .)) -}}
{{- end -}}
{{- define "consilium.secret.reducerNats" -}}
{{- .Values.existingSecrets.reducerNats | default (printf "%s-reducer-nats" (include "consilium.fullname" .)) -}}
{{- end -}}
{{- define "consilium.secret.combinerNats" -}}
{{- .Values.existingSecrets.combinerNats | default (printf "%s-combiner-nats" (include "consilium.fullname" .)) -}}
{{- end -}}
{{- define "consilium.secret.natsServer" -}}
{{- .Values.existingSecrets.natsServer | default (printf "%s-nats-server" (include "consilium.fullname" .)) -}}
{{- end -}}
{{- define "consilium.secret.store" -}}
{{- .Values.existingSecrets.store.name | default (printf "%s-store" (include "consilium.fullname" .)) -}}
{{- end -}}
{{- /* Names of keys in the Secret of the store: a Secret of our own has ours. */ -}}
{{- define "consilium.storeKey" -}}
{{- if .root.Values.existingSecrets.store.name -}}
{{- get .root.Values.existingSecrets.store .key -}}
{{- else -}}
{{- get (dict "accessKey" "access-key" "secretKey" "secret-key") .key -}}
{{- end -}}
{{- end -}}

{{- define "consilium.maxCombiners" -}}
{{- if .Values.combiner.autoscaling.enabled -}}
{{- .Values.combiner.autoscaling.maxReplicas -}}
{{- else -}}
{{- .Values.combiner.replicas -}}
{{- end -}}
{{- end -}}
