import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { openCluster, Unreachable, type Cluster, type ClusterObject } from '../../../knative/check/cluster.ts'
import { installationsFor, type ManifestObject } from '../../../knative/check/installations.ts'
import { requirementsFor, secretKeys, settingNames } from '../../../knative/check/requirements.ts'
import { buildOverlay, ENVIRONMENTS } from './built-overlays.ts'

type Objects = Record<string, ClusterObject>

const named = (name: string, more: Omit<ClusterObject, 'metadata'> = {}): ClusterObject => ({
  metadata: { name },
  ...more,
})
const runs = (name: string, available = 1) =>
  named(name, { spec: { replicas: 1 }, status: { availableReplicas: available } })
const ready = (name: string, type = 'Ready') =>
  named(name, { status: { conditions: [{ type, status: 'True' }] } })
const withKeys = (name: string, keys: readonly string[]) =>
  named(name, { data: Object.fromEntries(keys.map((key) => [key, 'eA=='])) })

/** A cluster with all that is asked for, by `kind/namespace/name`. */
const WHOLE: Objects = Object.fromEntries([
  ...[
    'services.serving.knative.dev',
    'triggers.eventing.knative.dev',
    'natsjetstreamchannels.messaging.knative.dev',
  ].map((name) => [`customresourcedefinition//${name}`, named(name)]),
  ...['knative-serving', 'knative-eventing', 'kourier-system', 'kgents'].map((where) => [
    `deployment/${where}/d`,
    runs('d'),
  ]),
  ['deployment/knative-eventing/jetstream-ch-controller', runs('jetstream-ch-controller')],
  ['configmap/knative-eventing/config-nats', named('config-nats')],
  ['statefulset/kgents-agents/nats', named('nats', { status: { readyReplicas: 3 } })],
  ['secret/kgents/kgents-secrets', withKeys('kgents-secrets', secretKeys(catalog, components))],
  ['configmap/kgents/kgents-config', withKeys('kgents-config', settingNames(components))],
  ['job/kgents/setup', ready('setup', 'Complete')],
  ...[
    'services.serving.knative.dev',
    'natsjetstreamchannels.messaging.knative.dev',
    'brokers.eventing.knative.dev',
    'triggers.eventing.knative.dev',
  ].map((kind) => [`${kind}/kgents/x`, ready('x')]),
])

function clusterOf(objects: Objects): Cluster {
  return {
    get: async (kind, name, namespace = '') => objects[`${kind}/${namespace}/${name}`],
    list: async (kind, namespace) =>
      Object.entries(objects).flatMap(([path, object]) =>
        path.startsWith(`${kind}/${namespace ?? ''}/`) ? [object] : [],
      ),
  }
}

const manifest = (apiVersion: string, kind: string, name: string): ManifestObject => ({
  apiVersion,
  kind,
  metadata: { name },
})
const BASE = [
  manifest('v1', 'Namespace', 'kgents'),
  manifest('networking.k8s.io/v1', 'NetworkPolicy', 'dns'),
  manifest('serving.knative.dev/v1', 'Service', 'jobs'),
  manifest('eventing.knative.dev/v1', 'Broker', 'default'),
]
const { before, deployed } = requirementsFor(catalog, components, BASE)
const ALL = [...before, ...deployed]

async function problemsOf(objects: Objects): Promise<string[]> {
  const found = await Promise.all(ALL.map(async ({ check }) => await check(clusterOf(objects))))
  return found.flat()
}

describe('requirementsFor()', () => {
  test('hold in a cluster that has everything', async () => {
    expect(await problemsOf(WHOLE)).toEqual([])
  })

  test.each(Object.keys(WHOLE))('name %s where it is missing', async (path) => {
    const { [path]: _gone, ...others } = WHOLE
    expect(await problemsOf(others)).toHaveLength(1)
  })

  test('name each key that a Secret lacks, and what stands in the way of what is not ready', async () => {
    const [first = '', ...keys] = secretKeys(catalog, components)
    const waiting = {
      type: 'Ready',
      status: 'False',
      message: 'replicas > 1 not supported in non-clustered mode',
    }
    expect(
      await problemsOf({
        ...WHOLE,
        'secret/kgents/kgents-secrets': withKeys('kgents-secrets', keys),
        'statefulset/kgents-agents/nats': named('nats', { status: { readyReplicas: 1 } }),
        'natsjetstreamchannels.messaging.knative.dev/kgents/x': named('x', {
          status: { conditions: [waiting] },
        }),
        'deployment/kgents/d': runs('relay', 0),
      }),
    ).toEqual([
      '1 of 3 servers are ready in kgents-agents',
      `${first} is missing`,
      'relay: 0 of 1',
      'x: replicas > 1 not supported in non-clustered mode',
    ])
  })
})

describe('what manifests bring and need', () => {
  test('requirementsFor() asks for what they bring only when they are applied', () => {
    const own = [
      manifest('apps/v1', 'StatefulSet', 'nats'),
      manifest('v1', 'ConfigMap', 'config-nats'),
      manifest('external-secrets.io/v1', 'ExternalSecret', 'kgents-secrets'),
    ]
    const whats = (list: { what: string }[]) => list.map(({ what }) => what)
    const later = ['eventing-natss knows NATS', 'NATS has 3 servers', 'eventing-natss runs']
    expect(whats(before)).toEqual(expect.arrayContaining(later))
    const brought = requirementsFor(catalog, components, [...BASE, ...own])
    expect(whats(brought.deployed).slice(0, 4)).toEqual([
      ...later,
      'secret kgents-secrets has what functions and parts read',
    ])
    expect(whats(brought.before)).toContain('External Secrets')
    for (const what of later) expect(whats(brought.before)).not.toContain(what)
  })

  test('installationsFor() refuses a kind of which nobody knows what brings it', () => {
    expect(() => installationsFor([manifest('example.com/v1', 'Thing', 'x')])).toThrow(
      'Cannot check the cluster: what brings example.com?',
    )
  })

  test.for(ENVIRONMENTS)(
    'the overlay %s needs nothing that cannot be named',
    async (environment, { skip }) => {
      const objects = (await buildOverlay(environment)) ?? skip('there is no kubectl here')
      expect(installationsFor(objects).map(({ what }) => what)).toContain('Knative Serving')
    },
  )
})

describe('openCluster()', () => {
  /** Puts a program in the place of kubectl. */
  function kubectlIs(script: string): void {
    const folder = mkdtempSync(join(tmpdir(), 'kgents-kubectl-'))
    writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, 'kubectl'), 0o755)
    const path = process.env['PATH']
    process.env['PATH'] = `${folder}:${path}`
    onTestFinished(() => {
      process.env['PATH'] = path
      rmSync(folder, { recursive: true })
    })
  }

  test('reads objects as kubectl prints them, and nothing where there is none', async () => {
    kubectlIs(`case "$*" in
      "get secret s --namespace n --ignore-not-found --output json") echo '{"metadata":{"name":"s"}}' ;;
      "get deployment --namespace n --output json") echo '{"items":[{"metadata":{"name":"d"}}]}' ;;
    esac`)
    const cluster = openCluster()
    expect(await cluster.get('secret', 's', 'n')).toEqual({ metadata: { name: 's' } })
    expect(await cluster.get('secret', 't', 'n')).toBeUndefined()
    expect(await cluster.list('deployment', 'n')).toEqual([{ metadata: { name: 'd' } }])
  })

  test('takes a kind that the cluster does not know for none, and says why the cluster cannot be asked', async () => {
    kubectlIs(`if [ "$2" = triggers ]; then echo "error: the server doesn't have a resource type \\"triggers\\"" >&2
      else echo 'noise' >&2; echo 'error: You must be logged in to the server' >&2; fi; exit 1`)
    const cluster = openCluster()
    expect(await cluster.list('triggers', 'n')).toEqual([])
    await expect(cluster.get('secret', 's')).rejects.toThrow(
      new Unreachable('Cannot ask the cluster: error: You must be logged in to the server'),
    )
  })
})
