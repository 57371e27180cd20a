/** What the Pod Security standard `restricted` refuses, and what else a pod of this platform has. */

export interface PodSpec {
  automountServiceAccountToken?: boolean
  serviceAccountName?: string
  priorityClassName?: string
  restartPolicy?: string
  hostNetwork?: boolean
  hostPID?: boolean
  hostIPC?: boolean
  securityContext?: PodContext
  initContainers?: Container[]
  containers: Container[]
  volumes?: ({ name: string } & Record<string, unknown>)[]
}

interface PodContext {
  runAsNonRoot?: boolean
  runAsUser?: number
  seccompProfile?: { type: string }
}

interface Probe {
  httpGet?: { port: number | string }
  tcpSocket?: { port: number | string }
}

export interface Container {
  name: string
  image: string
  livenessProbe?: Probe
  readinessProbe?: Probe
  startupProbe?: Probe
  volumeMounts?: { name: string; mountPath: string }[]
  ports?: { name?: string; containerPort?: number; hostPort?: number }[]
  resources?: { requests?: Record<string, unknown>; limits?: Record<string, unknown> }
  securityContext?: PodContext & {
    allowPrivilegeEscalation?: boolean
    privileged?: boolean
    capabilities?: { add?: string[]; drop?: string[] }
  }
}

/** Kinds of volumes that `restricted` admits. */
const VOLUME_KINDS = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
])

/** Each by what is wrong: whether `pod` is free of it. */
const POD_RULES: Record<string, (pod: PodSpec) => boolean> = {
  'a namespace of the node is used': ({ hostNetwork, hostPID, hostIPC }) =>
    hostNetwork !== true && hostPID !== true && hostIPC !== true,
  'a volume is of a kind that restricted refuses': ({ volumes = [] }) =>
    volumes.every((volume) => Object.keys(volume).every((key) => key === 'name' || VOLUME_KINDS.has(key))),
}

/** Each by what is wrong: whether `container` of `pod` is free of it. */
const CONTAINER_RULES: Record<string, (container: Container, pod: PodSpec) => boolean> = {
  'may run as root': ({ securityContext: own }, { securityContext: all }) =>
    (own?.runAsNonRoot ?? all?.runAsNonRoot) === true && (own?.runAsUser ?? all?.runAsUser) !== 0,
  'has no seccomp profile': ({ securityContext: own }, { securityContext: all }) =>
    ['RuntimeDefault', 'Localhost'].includes((own?.seccompProfile ?? all?.seccompProfile)?.type ?? ''),
  'may gain privileges': ({ securityContext: own }) =>
    own?.allowPrivilegeEscalation === false && own.privileged !== true,
  'keeps capabilities': ({ securityContext: own }) =>
    own?.capabilities?.drop?.includes('ALL') === true &&
    (own.capabilities.add ?? []).every((name) => name === 'NET_BIND_SERVICE'),
  'uses a port of the node': ({ ports = [] }) => ports.every(({ hostPort }) => hostPort === undefined),
  'has no bounds of memory and CPU': ({ resources }) =>
    ['cpu', 'memory'].every((name) => name in (resources?.requests ?? {})) &&
    'memory' in (resources?.limits ?? {}),
  'has an image without a fixed version': ({ image }) => /@sha256:[0-9a-f]{64}$|:[^/:]*\d[^/:]*$/.test(image),
}

/** What is wrong with `pod`. */
export function findPodProblems(pod: PodSpec): string[] {
  const ofPod = Object.keys(POD_RULES).filter((problem) => POD_RULES[problem]?.(pod) === false)
  const ofContainers = [...(pod.initContainers ?? []), ...pod.containers].flatMap((container) =>
    Object.keys(CONTAINER_RULES)
      .filter((problem) => CONTAINER_RULES[problem]?.(container, pod) === false)
      .map((problem) => `${container.name}: ${problem}`),
  )
  return [...ofPod, ...ofContainers]
}
