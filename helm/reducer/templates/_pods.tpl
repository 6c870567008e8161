{{- /* What every pod has: the "restricted" profile, no token, spread over nodes. user: number or null. */ -}}
{{- define "consilium.pod" -}}
serviceAccountName: {{ .account | default (include "consilium.serviceAccount" .root) }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .grace | default .root.Values.terminationGracePeriodSeconds }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with .user }}
  runAsUser: {{ int . }}
  runAsGroup: {{ int . }}
  fsGroup: {{ int . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "consilium.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- /* Where the pods of a component may run. values: the component's block. */ -}}
{{- define "consilium.placement" -}}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "consilium.selector" . | nindent 8 }}
{{- end -}}

{{- /* A disruption budget: one pod of a component at a time. */ -}}
{{- define "consilium.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "consilium.fullname" .root }}{{ .suffix }}
  labels:
    {{- include "consilium.labels" . | nindent 4 }}
spec:
  # Also with one replica: a budget of none would block the draining of a node for ever.
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "consilium.selector" . | nindent 6 }}
{{- end -}}

{{- /* Variables that reducers and combiners share. */ -}}
{{- define "consilium.serviceEnv" -}}
- name: POD_INDEX
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
- name: CONSILIUM_NATS__SERVERS
  value: {{ include "consilium.natsServers" .root | quote }}
{{- if and (not .root.Values.nats.enabled) .root.Values.nats.external.caSecret.name }}
- name: CONSILIUM_NATS__CA_FILE
  value: /etc/consilium-ca/nats/ca.crt
{{- end }}
- name: CONSILIUM_STORE__KIND
  value: s3
- name: CONSILIUM_STORE__ENDPOINT
  value: {{ include "consilium.storeEndpoint" .root | quote }}
- name: CONSILIUM_STORE__PUBLIC_ENDPOINT
  value: {{ include "consilium.storePublic" .root | quote }}
- name: CONSILIUM_STORE__REGION
  value: {{ .root.Values.store.region | quote }}
- name: CONSILIUM_STORE__FORCE_PATH_STYLE
  value: {{ .root.Values.store.forcePathStyle | quote }}
- name: CONSILIUM_STORE__ACCESS_KEY_FILE
  value: /etc/consilium-store/access-key
- name: CONSILIUM_STORE__SECRET_KEY_FILE
  value: /etc/consilium-store/secret-key
{{- if and (not .root.Values.store.minio.enabled) .root.Values.store.external.caSecret.name }}
- name: CONSILIUM_STORE__CA_FILE
  value: /etc/consilium-ca/store/ca.crt
{{- end }}
- name: CONSILIUM_TEMP_DIR
  value: /var/lib/consilium/tmp
- name: CONSILIUM_MEMORY_MIB
  value: {{ .values.memoryMiB | quote }}
- name: CONSILIUM_LOG_LEVEL
  value: {{ .values.logLevel | quote }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "consilium.serviceMounts" -}}
- name: state
  mountPath: /var/lib/consilium
- name: tmp
  mountPath: /tmp
- name: store
  mountPath: /etc/consilium-store
  readOnly: true
{{- if and (not .Values.nats.enabled) .Values.nats.external.caSecret.name }}
- name: nats-ca
  mountPath: /etc/consilium-ca/nats
  readOnly: true
{{- end }}
{{- if and (not .Values.store.minio.enabled) .Values.store.external.caSecret.name }}
- name: store-ca
  mountPath: /etc/consilium-ca/store
  readOnly: true
{{- end }}
{{- end -}}

{{- define "consilium.serviceVolumes" -}}
- name: state
  emptyDir:
    sizeLimit: {{ .values.tempSize }}
# Keys are copied here with mode 0600; in memory, so that they reach no disk.
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{ include "consilium.storeVolumes" .root }}
{{- if and (not .root.Values.nats.enabled) .root.Values.nats.external.caSecret.name }}
- name: nats-ca
  secret:
    secretName: {{ .root.Values.nats.external.caSecret.name }}
    items: [{ key: {{ .root.Values.nats.external.caSecret.key | quote }}, path: ca.crt }]
{{- end }}
{{- end -}}

{{- define "consilium.storeVolumes" -}}
- name: store
  secret:
    secretName: {{ include "consilium.secret.store" . }}
    defaultMode: 0440
    items:
      - key: {{ include "consilium.storeKey" (dict "root" . "key" "accessKey") | quote }}
        path: access-key
      - key: {{ include "consilium.storeKey" (dict "root" . "key" "secretKey") | quote }}
        path: secret-key
{{- if and (not .Values.store.minio.enabled) .Values.store.external.caSecret.name }}
- name: store-ca
  secret:
    secretName: {{ .Values.store.external.caSecret.name }}
    items: [{ key: {{ .Values.store.external.caSecret.key | quote }}, path: ca.crt }]
{{- end }}
{{- end -}}

{{- /* persistence block; "" is the cluster's default, "-" none. */ -}}
{{- define "consilium.storageClass" -}}
{{- if eq (default "" .storageClass) "-" -}}
storageClassName: ""
{{- else if .storageClass -}}
storageClassName: {{ .storageClass }}
{{- end -}}
{{- end -}}
