/**
 * The NATS servers of `manifests/components` as processes of this machine: the files that the pods read, with other addresses
 * and folders in them. For tests and for the drill, so that what is tried is what is deployed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findNats } from '../local/servers/nats.ts'
import { findFreePorts } from '../local/servers/ports.ts'
import { NotReady, startServer, type ServerProcess } from '../local/servers/server-process.ts'
import { cacheFolder } from '../local/servers/wheels.ts'

const COMPONENTS = join(import.meta.dirname, '..', 'manifests', 'components')

export interface ComponentNats extends ServerProcess {
  readonly port: number
  readonly monitoringUrl: string
  /** Changes a file that is included, as a changed Secret does, and has the server read it. */
  reload(file: string, text: string): void
}

export interface NatsPorts {
  client: number
  monitor: number
  cluster: number
  leaf: number
}

interface Options {
  component: 'nats' | 'nats-mirror'
  /** `SERVER_NAME`, and the folder in `state`. */
  name: string
  state: string
  ports: NatsPorts
  /** What the pod has of the Secret. */
  files: Readonly<Record<string, string>>
  /** Where the program is looked for. */
  env: NodeJS.ProcessEnv
  /** Whether it is one of three; a single one has no neighbours to wait for. */
  isClustered?: boolean
}

export async function findNatsPorts(): Promise<NatsPorts> {
  const [client = 0, monitor = 0, cluster = 0, leaf = 0] = await findFreePorts(4)
  return { client, monitor, cluster, leaf }
}

/** Starts it, and waits until JetStream answers; one of three has to be started with the others. */
export async function startComponentNats(options: Options): Promise<ComponentNats> {
  const { component, name, state, ports, files, env } = options
  const folder = join(state, name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const source = (file: string) => readFileSync(join(COMPONENTS, component, file), 'utf8')
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text, { mode: 0o600 })
  write('nats.conf', here(source('nats.conf'), options, folder))
  write('accounts.conf', source('accounts.conf'))
  for (const [file, text] of Object.entries(files)) write(file, text)
  const monitoringUrl = `http://127.0.0.1:${ports.monitor}`
  const server = await startServer({
    name,
    program: await findNats({ env, cache: cacheFolder(env) }),
    args: ['-c', join(folder, 'nats.conf')],
    env: { SERVER_NAME: name },
    logFile: join(state, 'logs', `${name}.log`),
    folder: join(folder, 'data'),
    stopSignal: 'SIGTERM',
    probe: () => probe(monitoringUrl),
  })
  return {
    ...server,
    port: ports.client,
    monitoringUrl,
    reload(file, text) {
      write(file, text)
      process.kill(server.pid, 'SIGHUP')
    },
  }
}

function here(conf: string, { ports, isClustered = false }: Options, folder: string): string {
  const address = (port: number) => `127.0.0.1:${port}`
  const text = conf
    .replace(/^port: 4222$/m, `listen: ${address(ports.client)}`)
    .replace(/^http_port: 8222$/m, `http: ${address(ports.monitor)}`)
    .replace(/^ {2}port: 6222$/m, `  listen: ${address(ports.cluster)}`)
    .replace(/^ {2}port: 7422$/m, `  listen: ${address(ports.leaf)}`)
    .replace('/var/run/nats', folder)
    .replace('store_dir: /data', `store_dir: ${join(folder, 'data')}`)
  return isClustered
    ? text
    : text.replace(/^include \.\/cluster\.conf$/m, '').replace(/^cluster \{[^]*?^\}$/m, '')
}

async function probe(url: string): Promise<void> {
  const answer = await fetch(`${url}/healthz`).catch((error: unknown) => {
    throw new NotReady(String(error))
  })
  if (!answer.ok) throw new NotReady(await answer.text())
  await answer.body?.cancel()
}
