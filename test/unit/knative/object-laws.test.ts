import { expect, test } from 'vitest'
import { findObjectProblems } from './object-laws.ts'
import type { KubernetesObject } from './structural-schema.ts'

const labels = { app: 'store' }
const metadata = { name: 'store', namespace: 'here', labels }
const container = {
  name: 'store',
  image: 'store:1',
  ports: [{ name: 'http', containerPort: 8080 }],
  readinessProbe: { httpGet: { path: '/', port: 'http' } },
  resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '1Gi' } },
  volumeMounts: [
    { name: 'tmp', mountPath: '/tmp' },
    { name: 'data', mountPath: '/data' },
  ],
}
const pod = { containers: [container], volumes: [{ name: 'tmp', emptyDir: {} }] }

/** Objects that fit together, by their kind. */
function aCluster() {
  return structuredClone({
    Service: { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels } },
    StatefulSet: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata,
      spec: {
        replicas: 3,
        serviceName: 'store',
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: pod },
        volumeClaimTemplates: [{ metadata: { name: 'data' } }],
      },
    },
    PodDisruptionBudget: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      spec: { minAvailable: 2, selector: { matchLabels: labels } },
    },
    CronJob: {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata,
      spec: {
        schedule: '0 2 * * *',
        jobTemplate: {
          spec: {
            template: {
              spec: { restartPolicy: 'OnFailure', containers: [{ name: 'copy', image: 'copy:1' }] },
            },
          },
        },
      },
    },
    NetworkPolicy: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 8080 }] }] },
    },
    ScaledObject: {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata,
      spec: { scaleTargetRef: { kind: 'StatefulSet', name: 'store' } },
    },
    Role: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: [] },
    RoleBinding: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { kind: 'Role', name: 'store' },
    },
  })
}

type Cluster = ReturnType<typeof aCluster>
const podOf = (cluster: Cluster) => cluster.StatefulSet.spec.template.spec
const change = (cluster: Cluster, changes: object) =>
  Object.assign(podOf(cluster).containers[0] ?? {}, changes)
const problemsOf = (cluster: Cluster) => findObjectProblems(Object.values(cluster) as KubernetesObject[])

const REFUSED: [problem: string, breakIt: (cluster: Cluster) => unknown][] = [
  [
    'Role Store: the name is no DNS name',
    ({ Role, RoleBinding }) => {
      Role.metadata = { ...metadata, name: 'Store' }
      RoleBinding.roleRef.name = 'Store'
    },
  ],
  [
    'Role store: it is too large to be applied',
    ({ Role }) => Object.assign(Role, { rules: ['x'.repeat(256 * 1024)] }),
  ],
  [
    'Role store: a label has a value that no label may have',
    ({ Role }) => (Role.metadata = { ...metadata, labels: { app: 'a b' } }),
  ],
  [
    'PodDisruptionBudget store: the budget lets no pod go',
    ({ PodDisruptionBudget }) => (PodDisruptionBudget.spec.minAvailable = 3),
  ],
  [
    'PodDisruptionBudget store: the budget lets no pod go',
    ({ PodDisruptionBudget }) => (PodDisruptionBudget.spec.selector.matchLabels = { app: 'other' }),
  ],
  [
    'ScaledObject store: what is to be scaled is not there',
    ({ ScaledObject }) => (ScaledObject.spec.scaleTargetRef.kind = 'Deployment'),
  ],
  [
    'NetworkPolicy store: a rule of a network policy names no port or address',
    ({ NetworkPolicy }) => (NetworkPolicy.spec.ingress = [{ from: [], ports: [] }]),
  ],
  [
    'NetworkPolicy store: a rule of a network policy names no port or address',
    ({ NetworkPolicy }) => Object.assign(NetworkPolicy.spec.ingress[0] ?? {}, { ports: [{ port: 65_536 }] }),
  ],
  [
    'RoleBinding store: a role is bound that is not there',
    ({ RoleBinding }) => (RoleBinding.roleRef.name = 'other'),
  ],
  [
    'StatefulSet store: the selector does not match its own pods',
    ({ StatefulSet }) => (StatefulSet.spec.selector.matchLabels = { app: 'other' }),
  ],
  [
    'StatefulSet store: a container has no name of its own',
    (cluster) => podOf(cluster).containers.push(structuredClone(container)),
  ],
  ['StatefulSet store: a volume is mounted that is not there', (cluster) => (podOf(cluster).volumes = [])],
  [
    'StatefulSet store: two volumes are mounted at one place',
    (cluster) =>
      change(cluster, {
        volumeMounts: [
          { name: 'tmp', mountPath: '/tmp' },
          { name: 'data', mountPath: '/tmp' },
        ],
      }),
  ],
  [
    'StatefulSet store: a port has a name that is too long or not its own',
    (cluster) =>
      change(cluster, {
        ports: [
          { name: 'a-name-of-17-chars', containerPort: 1 },
          { name: 'http', containerPort: 8080 },
        ],
      }),
  ],
  [
    'StatefulSet store: a probe asks at a port that is not there',
    (cluster) => change(cluster, { livenessProbe: { tcpSocket: { port: 9090 } } }),
  ],
  [
    'StatefulSet store: a request is above its limit',
    (cluster) => change(cluster, { resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } }),
  ],
  [
    'StatefulSet store: the pods are restarted in another way than their kind wants',
    (cluster) => Object.assign(podOf(cluster), { restartPolicy: 'OnFailure' }),
  ],
  [
    'CronJob store: the pods are restarted in another way than their kind wants',
    ({ CronJob }) => (CronJob.spec.jobTemplate.spec.template.spec.restartPolicy = 'Always'),
  ],
  [
    'CronJob store: the schedule is none, or the name leaves no room for those of its Jobs',
    ({ CronJob }) => (CronJob.spec.schedule = '@midnightly'),
  ],
  [
    'StatefulSet store: the Service of its pods is not there',
    ({ StatefulSet }) => (StatefulSet.spec.serviceName = 'other'),
  ],
  [
    'StatefulSet store: the service account is not there',
    (cluster) => Object.assign(podOf(cluster), { serviceAccountName: 'other' }),
  ],
  [
    'StatefulSet store: the priority class is not there',
    (cluster) => Object.assign(podOf(cluster), { priorityClassName: 'other' }),
  ],
]

test.for(REFUSED)('findObjectProblems() finds: %s', ([problem, breakIt]) => {
  const cluster = aCluster()
  expect(problemsOf(cluster)).toEqual([])
  breakIt(cluster)
  expect(problemsOf(cluster)).toEqual([problem])
})
