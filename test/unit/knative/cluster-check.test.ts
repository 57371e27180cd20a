import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { openCluster, Unreachable, type Cluster, type ClusterObject } from '../../../knative/check/cluster.ts'
import { DEPLOYED, prerequisites, secretKeys, settingNames } from '../../../knative/check/requirements.ts'

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
        path.startsWith(`${kind}/${namespace}/`) ? [object] : [],
      ),
  }
}

const ALL = [...prerequisites(catalog, components), ...DEPLOYED]

async function problemsOf(objects: Objects): Promise<string[]> {
  const found = await Promise.all(ALL.map(async ({ check }) => await check(clusterOf(objects))))
  return found.flat()
}

describe('prerequisites() and DEPLOYED', () => {
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
