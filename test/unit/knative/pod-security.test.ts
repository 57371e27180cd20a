import { expect, test } from 'vitest'
import { components } from '../../../functions/components.ts'
import type { Deployment } from '../../../knative/part-objects.ts'
import { partsOf } from '../../../knative/parts.ts'
import { findPodProblems, type PodSpec } from './pod-security.ts'

function aPod(): PodSpec {
  const deployment = partsOf(components).find((each): each is Deployment => each.kind === 'Deployment')
  if (deployment === undefined) throw new TypeError('there is no part')
  return structuredClone(deployment.spec.template.spec) as PodSpec
}

const change = (pod: PodSpec, changes: object) => Object.assign(pod.containers[0] ?? {}, changes)
const secure = (pod: PodSpec, changes: object) =>
  Object.assign(pod.containers[0]?.securityContext ?? {}, changes)

const REFUSED: [problem: string, breakIt: (pod: PodSpec) => unknown][] = [
  ['a namespace of the node is used', (pod) => (pod.hostNetwork = true)],
  [
    'a volume is of a kind that restricted refuses',
    (pod) => (pod.volumes = [{ name: 'docker', hostPath: { path: '/var/run/docker.sock' } }]),
  ],
  ['part: may run as root', (pod) => secure(pod, { runAsNonRoot: undefined })],
  ['part: may run as root', (pod) => secure(pod, { runAsUser: 0 })],
  ['part: has no seccomp profile', (pod) => secure(pod, { seccompProfile: { type: 'Unconfined' } })],
  ['part: may gain privileges', (pod) => secure(pod, { privileged: true })],
  ['part: may gain privileges', (pod) => secure(pod, { allowPrivilegeEscalation: undefined })],
  ['part: keeps capabilities', (pod) => secure(pod, { capabilities: { drop: ['NET_RAW'] } })],
  ['part: keeps capabilities', (pod) => secure(pod, { capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } })],
  ['part: uses a port of the node', (pod) => change(pod, { ports: [{ containerPort: 80, hostPort: 80 }] })],
  ['part: has no bounds of memory and CPU', (pod) => change(pod, { resources: { limits: { cpu: '1' } } })],
  ['part: has an image without a fixed version', (pod) => change(pod, { image: 'registry:5000/nats' })],
  ['part: has an image without a fixed version', (pod) => change(pod, { image: 'nats:latest' })],
]

test.for(REFUSED)('findPodProblems() finds: %s', ([problem, breakIt]) => {
  const pod = aPod()
  expect(findPodProblems(pod)).toEqual([])
  breakIt(pod)
  expect(findPodProblems(pod)).toEqual([problem])
})
