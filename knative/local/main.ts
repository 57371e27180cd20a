/**
 * The whole platform on one machine: `npm start`.
 *
 * Servers first, then the parts that always run, then the gateway; functions start with their first request or event.
 * Ctrl-C stops all of it in the opposite order, so that nothing that was accepted is cut off.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { catalog } from '../../functions/catalog.ts'
import { readConfig } from '../../shared/config.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { bundleFunctions } from '../bundle.ts'
import { brokerOf, servicesOf, triggersOf } from '../manifests.ts'
import { announce } from './announce.ts'
import { LocalConfig } from './config.ts'
import { startDeployment, type Deployment } from './deployment.ts'
import { startInfrastructure, type Infrastructure } from './infrastructure.ts'
import { functionEnvironment, partsOf, type Ports } from './parts.ts'
import { startKnative, type Knative } from './platform.ts'
import { ProcessList } from './process-list.ts'
import { createProgress } from './progress.ts'
import { loadSecrets, type Secrets } from './secrets.ts'
import { findFreePorts } from './servers/ports.ts'
import { ensureTenants } from './tenants.ts'

const HELP = `Usage: npm start

Starts the kgents platform on this machine and serves it at http://localhost:8000.

Environment (all optional):
  PORT, HOST              where the gateway listens (8000 on 127.0.0.1; HOST=0.0.0.0 for all addresses)
  KGENTS_STATE            folder of everything that outlives a restart (.kgents)
  KGENTS_CACHE            folder of downloaded servers and the model (~/.cache/kgents)
  KNATIVE_TIME_SCALE      Knative's times, multiplied by this; an idle function sleeps after about 60 s x this (0.25)
  WORKERS                 inference workers (1)
  INFERENCE               "off" starts without a model
  INFERENCE_BASE_URL      OpenAI-compatible server to use instead of the small model that comes along
  INFERENCE_MODEL, INFERENCE_API_KEY   which model there, and the key
  MODEL_PATH              GGUF file to use instead of the small model that comes along
  DATABASE_URL            PostgreSQL to use, as its owner; NATS_URL, REDIS_URL or UPSTASH_REDIS_REST_URL likewise
  LOG_LEVEL               silent, error, warn, info, debug (info)
`

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) return print(HELP)
  const config = readConfig(LocalConfig, process.env)
  const platform = new Platform(config)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void platform.stop())
  try {
    await platform.start()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
    await platform.stop()
  }
}

/** Everything that was started, so that it can be stopped. */
class Platform {
  readonly #config: LocalConfig
  #infrastructure: Infrastructure | undefined
  #knative: Knative | undefined
  #deployments: Deployment[] = []
  #stopped: Promise<void> | undefined
  readonly #processes: ProcessList

  constructor(config: LocalConfig) {
    this.#config = config
    this.#processes = new ProcessList(config.KGENTS_STATE)
  }

  async start(): Promise<void> {
    const config = this.#config
    const progress = createProgress(print)
    print('Starting kgents')
    mkdirSync(config.KGENTS_STATE, { recursive: true, mode: 0o700 })
    const secrets = await loadSecrets(config.KGENTS_STATE)
    this.#infrastructure = await startInfrastructure(config, secrets, progress, {
      onStart: (server) => this.#processes.set(server.name, server.pid, portOf(server)),
      onExit: ({ name }, reason) => print(`${time()}  ${name} ended (${reason}), starting it again`),
    })
    const dev = await ensureTenants(
      this.#infrastructure.database.owner,
      config.KGENTS_STATE,
      `http://localhost:${config.PORT}`,
    )
    const ports = await choosePorts(config)
    this.#processes.set('knative', process.pid, ports.ingress)
    await progress.step('Parts', () => this.#startParts(secrets, ports))
    print(announce(dev, this.#infrastructure.inference, ports.gatewayStatus))
  }

  async #startParts(secrets: Secrets, ports: Ports): Promise<void> {
    const config = this.#config
    const infrastructure = this.#infrastructure
    if (infrastructure === undefined) throw new TypeError('The servers come first')
    const facts = { config, secrets, infrastructure, ports }
    const program = await bundleFunctions(join(config.KGENTS_STATE, 'build'))
    this.#knative = await startKnative({
      services: servicesOf(catalog),
      triggers: triggersOf(catalog),
      broker: brokerOf(),
      command: [process.execPath, program],
      stateFolder: config.KGENTS_STATE,
      timeScale: config.KNATIVE_TIME_SCALE,
      port: ports.ingress,
      log: createLog('knative', config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL),
      environmentOf: (name) => {
        const definition = catalog.find((each) => each.name === name)
        return definition === undefined ? {} : functionEnvironment(definition, facts)
      },
      onScale: (name, from, to, reason) => print(`${time()}  ${name}: ${from} -> ${to} (${reason})`),
    })
    this.#deployments = partsOf(facts).map((part) =>
      startDeployment({
        ...part,
        state: config.KGENTS_STATE,
        onStart: (pid) => this.#processes.set(part.name, pid),
        onExit: (reason) => print(`${time()}  ${part.name} ended (${reason}), starting it again`),
      }),
    )
    await Promise.all(this.#deployments.map(({ ready }) => ready))
  }

  /** Last started, first stopped. A second call waits for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    print('Stopping')
    const [gateway, ...others] = this.#deployments.toReversed()
    await gateway?.stop()
    await Promise.all([this.#knative?.close(), ...others.map((deployment) => deployment.stop())])
    for (const server of this.#infrastructure?.servers.toReversed() ?? []) await server.stop()
    process.exit()
  }
}

async function choosePorts({ PORT: gateway, WORKERS }: LocalConfig): Promise<Ports> {
  const [gatewayStatus = 0, ingress = 0, hub = 0, relay = 0, redisRest = 0] = await findFreePorts(5)
  const workers = await findFreePorts(WORKERS)
  return { gateway, gatewayStatus, ingress, hub, relay, redisRest, workers }
}

/** Servers that have an address say so. */
function portOf(server: object): number | undefined {
  return 'url' in server && typeof server.url === 'string' ? Number(new URL(server.url).port) : undefined
}

function time(): string {
  return new Date().toTimeString().slice(0, 8)
}

await main()
