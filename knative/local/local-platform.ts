/**
 * Servers first, then the parts that always run, then the gateway; functions start with their first request or event.
 * Stopped in the opposite order, so that nothing that was accepted is cut off.
 */
import { join } from 'node:path'
import { catalog } from '../../functions/catalog.ts'
import { components } from '../../functions/components.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { bundleFunctions } from '../bundle.ts'
import { brokerOf, servicesOf, triggersOf } from '../manifests.ts'
import { announce } from './announce.ts'
import { addressOf, type LocalConfig } from './config.ts'
import { startDeployment, type Deployment } from './deployment.ts'
import { functionEnvironment, type Ports } from './environment.ts'
import { startInfrastructure, type Infrastructure } from './infrastructure.ts'
import { startKnative, type Knative } from './platform.ts'
import { processesOf, processNames } from './processes.ts'
import { ProcessList } from './process-list.ts'
import { createProgress } from './progress.ts'
import { loadSecrets, type Secrets } from './secrets.ts'
import { findFreePorts } from './servers/ports.ts'
import { ensureTenants } from './tenants.ts'

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

/** Everything that was started, so that it can be stopped. */
export class LocalPlatform {
  readonly #config: LocalConfig
  #infrastructure: Infrastructure | undefined
  #knative: Knative | undefined
  #deployments: Deployment[] = []
  #stopped: Promise<void> | undefined
  #isReady = false
  readonly #processes: ProcessList

  constructor(config: LocalConfig) {
    this.#config = config
    this.#processes = new ProcessList(config.KGENTS_STATE)
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get isStopping(): boolean {
    return this.#stopped !== undefined
  }

  /** Resolves when the gateway answers; starts no more of it once it is being stopped. */
  async start(): Promise<void> {
    const config = this.#config
    const progress = createProgress(print)
    print('Starting kgents')
    const secrets = await loadSecrets(config.KGENTS_STATE)
    this.#infrastructure = await startInfrastructure(components, config, secrets, progress, {
      onStart: (server) => this.#processes.set(server.name, server.pid, portOf(server)),
      onExit: ({ name }, reason) => print(`${time()}  ${name} ended (${reason}), starting it again`),
    })
    const dev = await ensureTenants(
      this.#infrastructure.database.owner,
      config.KGENTS_STATE,
      addressOf(config),
    )
    const ports = await choosePorts(config, this.#infrastructure)
    if (this.isStopping) return
    this.#processes.set('knative', process.pid, ports.ingress)
    await progress.step('Parts', () => this.#startParts(secrets, ports))
    if (this.isStopping) return
    this.#isReady = true
    const { inference } = this.#infrastructure
    print(announce({ dev, inference, statusPort: ports.gatewayStatus, state: config.KGENTS_STATE }))
  }

  async #startParts(secrets: Secrets, ports: Ports): Promise<void> {
    const config = this.#config
    const infrastructure = this.#infrastructure
    if (infrastructure === undefined) throw new TypeError('The servers come first')
    const facts = { config, secrets, infrastructure, ports }
    const { args, env } = await bundleFunctions(join(config.KGENTS_STATE, 'build'))
    if (this.isStopping) return
    this.#knative = await startKnative({
      services: servicesOf(catalog),
      triggers: triggersOf(catalog),
      broker: brokerOf(catalog),
      command: [process.execPath, ...args],
      stateFolder: config.KGENTS_STATE,
      timeScale: config.KNATIVE_TIME_SCALE,
      port: ports.ingress,
      log: createLog('knative', config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL),
      environmentOf: (name) => {
        const definition = catalog.find((each) => each.name === name)
        return definition === undefined ? {} : { ...env, ...functionEnvironment(definition, facts) }
      },
      onScale: (name, from, to, reason) => print(`${time()}  ${name}: ${from} -> ${to} (${reason})`),
    })
    this.#deployments = processesOf(components, facts).map((part) =>
      startDeployment({
        ...part,
        state: config.KGENTS_STATE,
        onStart: (pid) => this.#processes.set(part.name, pid, part.port),
        onExit: (reason) => print(`${time()}  ${part.name} ended (${reason}), starting it again`),
      }),
    )
    await Promise.all(this.#deployments.map(({ ready }) => ready))
  }

  /** Last started, first stopped; then the process ends with `exitCode`. A second call waits for the first. */
  stop(exitCode: number): Promise<void> {
    this.#stopped ??= this.#stopAll(exitCode)
    return this.#stopped
  }

  async #stopAll(exitCode: number): Promise<void> {
    print('Stopping')
    const [gateway, ...others] = this.#deployments.toReversed()
    await gateway?.stop()
    await Promise.all([this.#knative?.close(), ...others.map((deployment) => deployment.stop())])
    for (const server of this.#infrastructure?.servers.toReversed() ?? []) await server.stop()
    process.exit(exitCode)
  }
}

async function choosePorts(config: LocalConfig, infrastructure: Infrastructure): Promise<Ports> {
  const names = components.flatMap((component) => processNames(component, { config, infrastructure }))
  const [ingress = 0, gatewayStatus = 0, ...free] = await findFreePorts(2 + names.length)
  const parts = new Map(names.map((name, index) => [name, free[index] ?? 0]))
  return { ingress, gatewayStatus, parts: parts.set('gateway', config.PORT) }
}

/** Servers that have an address say so. */
function portOf(server: object): number | undefined {
  return 'url' in server && typeof server.url === 'string' ? Number(new URL(server.url).port) : undefined
}

function time(): string {
  return new Date().toTimeString().slice(0, 8)
}
