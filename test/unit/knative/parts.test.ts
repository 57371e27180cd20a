import { describe, expect, test } from 'vitest'
import { components } from '../../../functions/components.ts'
import type { Deployment, PartService, PodDisruptionBudget } from '../../../knative/part-objects.ts'
import { partsOf, type PartObject } from '../../../knative/parts.ts'

const objects = partsOf(components)
const ofKind = <T extends PartObject>(kind: T['kind']) =>
  objects.filter((each): each is T => each.kind === kind)
const deployments = ofKind<Deployment>('Deployment')
const podOf = (name: string) => deployments.find(({ metadata }) => metadata.name === name)?.spec.template.spec

describe('partsOf()', () => {
  test('gives each part a Deployment, a Service and a disruption budget, which select its pods', () => {
    for (const { name } of components) {
      const own = objects.filter(({ metadata }) => metadata.name === name)
      expect(own.map(({ kind }) => kind)).toEqual(['Deployment', 'Service', 'PodDisruptionBudget'])
      const labels = { 'kgents.io/part': name }
      const [deployment, service, budget] = own as [Deployment, PartService, PodDisruptionBudget]
      expect(deployment.spec.template.metadata.labels).toMatchObject(labels)
      expect(deployment.spec.selector.matchLabels).toEqual(labels)
      expect(service.spec.selector).toEqual(labels)
      expect(budget.spec).toEqual({ maxUnavailable: 1, selector: { matchLabels: labels } })
    }
  })

  test('runs every container without rights, on a read-only file system, within bounds, and as nobody', () => {
    for (const { spec } of deployments) {
      const pod = spec.template.spec
      expect(pod.automountServiceAccountToken).toBe(false)
      for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 10_001,
          runAsGroup: 10_001,
          seccompProfile: { type: 'RuntimeDefault' },
        })
        expect(Object.keys(container.resources.limits)).toEqual(['cpu', 'memory'])
        const volumes = pod.volumes.map(({ name }) => name)
        for (const { name } of container.volumeMounts) expect(volumes).toContain(name)
      }
    }
  })

  test('asks each where it listens whether it lives and is ready, and sends requests there', () => {
    for (const { metadata, spec } of deployments) {
      const [container] = spec.template.spec.containers
      const ports = container?.ports?.map(({ name }) => name) ?? []
      for (const probe of [container?.livenessProbe, container?.readinessProbe]) {
        expect(ports).toContain(probe?.httpGet.port)
      }
      const service = ofKind<PartService>('Service').find((each) => each.metadata.name === metadata.name)
      expect(service?.spec.ports.map(({ targetPort }) => targetPort)).toEqual(ports)
      expect(service?.spec.ports[0]?.port).toBe(80)
    }
    expect(podOf('relay')?.containers[0]?.readinessProbe?.httpGet.path).toBe('/health/ready')
    expect(podOf('gateway')?.containers[0]?.livenessProbe?.httpGet).toEqual({
      path: '/status',
      port: 'status',
    })
  })

  test('gives each the secrets of its contract and the settings of all; each has a user of its own on NATS', () => {
    const secret = (name: string, key = name) => ({
      name,
      valueFrom: { secretKeyRef: { name: 'kgents-secrets', key } },
    })
    const [container] = podOf('relay')?.containers ?? []
    expect(container).toMatchObject({
      image: 'ghcr.io/kgents/parts:0.1.0',
      command: ['node', 'knative/relay/main.ts'],
      env: [
        secret('NATS_URL', 'RELAY_NATS_URL'),
        secret('RELAY_DATABASE_URLS'),
        {
          name: 'MOVER_DATABASE_URL',
          valueFrom: { secretKeyRef: { name: 'kgents-secrets', key: 'MOVER_DATABASE_URL', optional: true } },
        },
        {
          name: 'BROKER_URL',
          value: 'http://broker-ingress.knative-eventing.svc.cluster.local/kgents/default',
        },
      ],
      envFrom: [{ configMapRef: { name: 'kgents-config' } }],
    })
    expect(podOf('gpu-worker')?.containers[0]).toMatchObject({
      image: 'ghcr.io/kgents/worker:0.1.0',
      env: [
        secret('NATS_URL', 'GPU_WORKER_NATS_URL'),
        {
          name: 'INFERENCE_API_KEY',
          valueFrom: { secretKeyRef: { name: 'kgents-secrets', key: 'INFERENCE_API_KEY', optional: true } },
        },
      ],
    })
  })

  test('starts Kong when our step has written its configuration to a folder that both see', () => {
    const pod = podOf('gateway')
    const [prepare] = pod?.initContainers ?? []
    const [kong] = pod?.containers ?? []
    expect(prepare).toMatchObject({
      image: 'ghcr.io/kgents/parts:0.1.0',
      command: ['node', 'gateway/kong/deploy.ts'],
    })
    expect(kong).toMatchObject({ image: 'kong:3.9.3', env: [{ name: 'KONG_PREFIX', value: '/kong_prefix' }] })
    expect(kong).not.toHaveProperty('command')
    for (const container of [prepare, kong]) {
      expect(container?.volumeMounts).toContainEqual({ name: 'etc-kong', mountPath: '/etc/kong' })
    }
  })
})
