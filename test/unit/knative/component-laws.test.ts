import { describe, expect, test as base } from 'vitest'
import { buildWith } from './built-components.ts'
import { findClusterProblems, type Loose } from './component-laws.ts'

const test = base.extend('built', { scope: 'file' }, () =>
  buildWith(
    'namespaces',
    'gpu-pool',
    'gpu-nvidia',
    'kueue',
    'karpenter',
    'external-secrets',
    'external-secrets-servers',
    'external-secrets-cloudflare',
    'cert-manager',
    'istio',
  ),
)

type Break = (find: (kind: string, name: string) => Loose, objects: Loose[]) => unknown

const REFUSED: [problem: string, breakIt: Break][] = [
  [
    'KEDA: scales what is not there, or has replicas of its own: ScaledObject gpu-worker',
    (find) => (find('Deployment', 'gpu-worker').spec.replicas = 1),
  ],
  [
    'KEDA: scales what is not there, or has replicas of its own: ScaledObject gpu-worker',
    (find) => (find('ScaledObject', 'gpu-worker').spec.scaleTargetRef.kind = 'Service'),
  ],
  [
    'KEDA: two scale one workload: HorizontalPodAutoscaler llm-worker-hpa',
    (_find, objects) =>
      objects.push({
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'llm-worker-hpa', namespace: 'kgents' },
        spec: { scaleTargetRef: { kind: 'Deployment', name: 'gpu-worker' } },
      }),
  ],
  [
    'KEDA: a trigger lacks what its scaler needs, or has what it does not know: ScaledObject gpu-worker',
    (find) => (find('ScaledObject', 'gpu-worker').spec.triggers[0].metadata.metricName = 'jobs'),
  ],
  [
    'KEDA: the URL has a port that is none of the pods: ScaledObject gpu-worker',
    (find) =>
      (find('ScaledObject', 'gpu-worker').spec.triggers[0].metadata.url =
        'http://relay-metrics.kgents.svc.cluster.local/metrics'),
  ],
  [
    'Kueue: resources are not in the order of coveredResources: ClusterQueue kgents-serving',
    (find) => {
      const [flavor] = find('ClusterQueue', 'kgents-serving').spec.resourceGroups[0].flavors
      flavor.resources = flavor.resources.toReversed()
    },
  ],
  [
    'Kueue: a flavor is not there: ClusterQueue kgents-serving',
    (find) => (find('ClusterQueue', 'kgents-serving').spec.resourceGroups[0].flavors[0].name = 't4-flavor'),
  ],
  [
    'Kueue: a flavor is in two groups: ClusterQueue kgents-training',
    (find) => (find('ClusterQueue', 'kgents-training').spec.resourceGroups[0].flavors[1].name = 'a100-spot'),
  ],
  [
    'Kueue: more is lent than there is, or without a cohort: ClusterQueue kgents-serving',
    (find) => delete find('ClusterQueue', 'kgents-serving').spec.cohortName,
  ],
  [
    'Kueue: more is lent than there is, or without a cohort: ClusterQueue kgents-serving',
    (find) =>
      (find('ClusterQueue', 'kgents-serving').spec.resourceGroups[0].flavors[0].resources[1].lendingLimit =
        '1Ti'),
  ],
  [
    'Kueue: a queue leads nowhere: LocalQueue serving',
    (find) => (find('LocalQueue', 'serving').spec.clusterQueue = 'gpu-queue'),
  ],
  [
    'Kueue: a workload names a queue or a class that is not there: Deployment gpu-worker',
    (find) =>
      Object.assign(find('Deployment', 'gpu-worker').metadata.labels ?? {}, {
        'kueue.x-k8s.io/priority-class': 'urgent',
      }),
  ],
  [
    'Kueue: a pod wants what its queue does not have, and would wait for ever: Deployment gpu-worker',
    (find) =>
      (find('Deployment', 'gpu-worker').spec.template.spec.containers[0].resources.requests[
        'ephemeral-storage'
      ] = '20Gi'),
  ],
  [
    'External Secrets: the store is not there, or not for this namespace: ExternalSecret kgents-setup',
    (find) => (find('ExternalSecret', 'kgents-setup').metadata.namespace = 'default'),
  ],
  [
    'External Secrets: two own one Secret: ExternalSecret kgents-setup',
    (find) => (find('ExternalSecret', 'kgents-setup').spec.target.name = 'kgents-secrets'),
  ],
  [
    'External Secrets: nothing is read from the store: ExternalSecret kgents-setup',
    (find) => delete find('ExternalSecret', 'kgents-setup').spec.dataFrom,
  ],
  [
    'cert-manager: nobody issues the certificate: Certificate gateway',
    (find) => (find('Certificate', 'gateway').spec.issuerRef.kind = 'Issuer'),
  ],
  [
    'cert-manager: the certificate is for nobody: Certificate gateway',
    (find) => (find('Certificate', 'gateway').spec.dnsNames = []),
  ],
  [
    'cert-manager: the certificate is renewed before it is issued: Certificate gateway',
    (find) => (find('Certificate', 'gateway').spec.renewBefore = '2160h'),
  ],
  [
    'Karpenter: a pool has no class of nodes: NodePool gpu',
    (find) => (find('NodePool', 'gpu').spec.template.spec.nodeClassRef.name = 'default'),
  ],
  [
    'Karpenter: a pod selects no pool, or one whose taints it does not tolerate: Deployment relay',
    (find) => delete find('Deployment', 'relay').spec.template.spec.tolerations,
  ],
  [
    'Istio: two decide for one namespace, and the older wins: PeerAuthentication default',
    (find) => delete find('PeerAuthentication', 'callers-outside-the-mesh').spec.selector,
  ],
]

describe('findClusterProblems()', () => {
  test('finds nothing in the components as they are', ({ built, skip }) => {
    expect(findClusterProblems(built ?? skip('there is no kubectl here'))).toEqual([])
  })

  test.for(REFUSED)('finds: %s', ([problem, breakIt], { built, skip }) => {
    const objects = structuredClone(built ?? skip('there is no kubectl here')) as Loose[]
    breakIt((kind, name) => {
      const found = objects.find((each) => each.kind === kind && each.metadata.name === name)
      if (found === undefined) throw new TypeError(`no ${kind} ${name}`)
      return found
    }, objects)
    expect(findClusterProblems(objects)).toContain(problem)
  })
})
