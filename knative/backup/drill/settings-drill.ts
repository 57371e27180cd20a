/**
 * The settings and the processes of a cluster are lost: the settings come back from the file that was kept, and a function
 * that starts with them knows the callers of before.
 */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { spawn } from 'node:child_process'
import { components } from '../../../functions/components.ts'
import { readConfig } from '../../../shared/config.ts'
import { findFreePort } from '../../local/servers/ports.ts'
import { prepareCluster, SetupConfig } from '../../setup/prepare.ts'
import { readKept, valuesOf, type SettingsObject } from '../../setup/kept.ts'
import { createClusterSettings } from '../../setup/settings.ts'
import { withPlatform, type DrillSettings } from './drills.ts'
import { eventually } from './eventually.ts'
import { PROMISES, type Outcome } from './outcome.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const INFERENCE = { url: 'http://inference.example/v1', model: 'none' }
const TENANT = { slug: 'drill', admin: 'drill@kgents.example' }

export function drillSettings(settings: DrillSettings): Promise<Outcome[]> {
  return withPlatform(settings, async (platform) => {
    const file = join(platform.state, 'settings.yaml')
    const { url } = await platform.startPostgres()
    const made = await createClusterSettings(components, { databaseUrl: url, inference: INFERENCE }, TENANT)
    writeFileSync(file, made.objects.map((object) => stringify(object)).join('---\n'))
    await prepareCluster(readConfig(SetupConfig, environmentOf(made.objects)))
    const before = await startFunction(environmentOf(made.objects))
    const token = await before.token(made.apiKey ?? '')

    const lostAt = performance.now()
    before.kill()
    const kept = readKept(readFileSync(file, 'utf8'))
    const { objects } = await createClusterSettings(components, {}, {}, kept)
    const settingsSeconds = (performance.now() - lostAt) / 1000
    const changed = keysOf(made.objects).filter((key) => !keysOf(objects).includes(key))
    const started = performance.now()
    const after = await startFunction(environmentOf(objects))
    const apiSeconds = (performance.now() - started) / 1000
    const again = await after.token(made.apiKey ?? '')
    after.kill()
    const isSameKey = keyIdOf(token) === keyIdOf(again)
    return [
      {
        part: 'Secrets and settings',
        lost: 'all of them; the file of cluster:settings',
        promised: PROMISES.settings,
        recoverySeconds: settingsSeconds,
        lossSeconds: changed.length === 0 && isSameKey ? 0 : Number.POSITIVE_INFINITY,
        notes: `${keysOf(objects).length} values, ${changed.length} others than before; not tried: fetching the file, kubectl apply`,
      },
      {
        part: 'API',
        lost: 'the process of a function',
        promised: PROMISES.api,
        recoverySeconds: apiSeconds,
        notes: 'until it takes the API key of before; not tried: scheduling, pulling an image, DNS',
      },
    ]
  })
}

/** What a pod of kgents has of the objects. */
function environmentOf(objects: readonly SettingsObject[]): Record<string, string> {
  return Object.assign({}, ...objects.filter(({ metadata }) => metadata.namespace === 'kgents').map(valuesOf))
}

function keysOf(objects: readonly SettingsObject[]): string[] {
  return objects.flatMap((object) =>
    Object.entries(valuesOf(object)).map(
      ([key, value]) => `${object.metadata.namespace} ${object.metadata.name} ${key} ${value}`,
    ),
  )
}

function keyIdOf(token: string): unknown {
  const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as {
    kid?: string
  }
  return header.kid
}

async function startFunction(env: Record<string, string>) {
  const port = await findFreePort()
  const child = spawn(process.execPath, [join(ROOT, 'functions', 'serve.ts')], {
    env: { ...env, FUNCTION: 'issue-token', PORT: String(port), HOST: '127.0.0.1', LOG_LEVEL: 'silent' },
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  const address = `http://127.0.0.1:${port}`
  await Promise.race([
    exited.then(() => Promise.reject(new Error('The function ended while it started'))),
    eventually(async () => (await fetch(`${address}/health/live`)).ok),
  ])
  return {
    async token(apiKey: string): Promise<string> {
      const answer = await fetch(`${address}/v1/auth/token`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
        body: '{}',
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`The function refused its caller: ${text}`)
      return (JSON.parse(text) as { access_token: string }).access_token
    },
    kill: () => child.kill('SIGKILL'),
  }
}
