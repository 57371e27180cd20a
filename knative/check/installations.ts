/** What an operator installs in a cluster before kgents, known by the API groups that it brings. */

export interface Installation {
  group: string
  /** What is there when it is installed. */
  what: string
  remedy: string
}

/** As much of a manifest as says what it needs. */
export interface ManifestObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
}

/** In the order in which they are installed. */
const INSTALLATIONS: readonly Installation[] = [
  {
    group: 'serving.knative.dev',
    what: 'Knative Serving',
    remedy: 'Install Knative Serving 1.20 or newer, with Kourier',
  },
  {
    group: 'eventing.knative.dev',
    what: 'Knative Eventing',
    remedy: 'Install Knative Eventing with the channel-based Broker',
  },
  {
    group: 'messaging.knative.dev',
    what: 'JetStream channels',
    remedy: 'Install eventing-natss, after Knative Eventing',
  },
  { group: 'cert-manager.io', what: 'cert-manager', remedy: 'Install cert-manager 1.18 or newer' },
  {
    group: 'external-secrets.io',
    what: 'External Secrets',
    remedy: 'Install External Secrets 1.0 or newer, which serves v1',
  },
  {
    group: 'postgresql.cnpg.io',
    what: 'CloudNativePG',
    remedy: 'Install CloudNativePG 1.26 or newer',
  },
  {
    group: 'barmancloud.cnpg.io',
    what: 'backups of CloudNativePG',
    remedy: 'Install its Barman Cloud plugin, after CloudNativePG and cert-manager',
  },
  {
    group: 'monitoring.coreos.com',
    what: 'the Prometheus operator',
    remedy: 'Install the Prometheus operator 0.80 or newer',
  },
  { group: 'keda.sh', what: 'KEDA', remedy: 'Install KEDA 2.20 or newer in the namespace keda' },
  { group: 'kueue.x-k8s.io', what: 'Kueue', remedy: 'Install Kueue 0.19 or newer' },
  { group: 'karpenter.sh', what: 'Karpenter', remedy: 'Install Karpenter 1.0 or newer' },
  {
    group: 'karpenter.k8s.aws',
    what: 'Karpenter for AWS',
    remedy: 'Install the AWS provider of Karpenter',
  },
  { group: 'security.istio.io', what: 'Istio', remedy: 'Install Istio 1.26 or newer' },
  { group: 'networking.istio.io', what: 'Istio', remedy: 'Install Istio 1.26 or newer' },
  {
    group: 'policy.sigstore.dev',
    what: 'the policy controller of Sigstore',
    remedy: 'Install policy-controller 0.13 or newer',
  },
]

/** Groups of Kubernetes itself. */
const BUILT_IN = /(^[^.]*$)|(\.k8s\.io$)/

/**
 * What `objects` need beside Kubernetes, in the order of installation. JetStream channels stand in no manifest: a
 * Broker makes them.
 *
 * @throws TypeError where it is not known what brings one of their kinds
 */
export function installationsFor(objects: readonly ManifestObject[]): Installation[] {
  const groups = new Set(objects.map(groupOf).filter((group) => !BUILT_IN.test(group)))
  if (groups.has('eventing.knative.dev')) groups.add('messaging.knative.dev')
  const unknown = [...groups].filter((group) => !INSTALLATIONS.some((each) => each.group === group))
  if (unknown.length > 0) throw new TypeError(`Cannot check the cluster: what brings ${unknown.join(', ')}?`)
  return INSTALLATIONS.filter(({ group }) => groups.has(group))
}

function groupOf({ apiVersion }: ManifestObject): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
}
