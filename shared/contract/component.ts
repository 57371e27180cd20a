/**
 * What a part that always runs is: data. Each has one `component.ts` beside its program.
 *
 * Everything else is read from it: local processes and their environment, NATS users and their permissions, the gateway's
 * routes, Deployments, Services, disruption budgets and network policies, and the table of variables. Importing one
 * opens nothing.
 */
import type { z } from 'zod'
import type { StreamName } from '../nats/streams.ts'
import type { EndpointFacts } from './facts.ts'
import type { Dependency } from './needs.ts'
import { toEndpointFacts, type RouteFacts } from './route.ts'
import { variablesOf, type Variable } from './variables.ts'

/**
 * What a part connects to; its network policy allows this and nothing else. `functions` are called through the ingress,
 * `parts` are those that declare routes, and `outside` is the public Internet.
 */
export type Reach = 'postgres' | 'redis' | 'broker' | 'functions' | 'parts' | 'telemetry' | 'outside'

/** What a part does on NATS. Its user may do this and nothing else, and the requests to JetStream that it takes. */
export interface NatsUse {
  publish: readonly string[]
  subscribe: readonly string[]
  /** Streams that it reads: single messages, and by consumers that vanish with it. */
  reads?: readonly StreamName[]
  /** Streams on which it keeps consumers of its own. */
  keeps?: readonly StreamName[]
  /** Consumers that it takes messages from; `*` is each that no part names. */
  takes?: readonly { stream: StreamName; consumer: string }[]
  /** Whether it makes the streams and all consumers on them. */
  manages?: boolean
  /** Streams from which it removes what there is of a tenant; NATS cannot bind it to one tenant's subjects. */
  purges?: readonly StreamName[]
}

/** Of the part to which the gateway sends calls whose callers stay on the line, on the routes that stream. */
export interface Waits {
  /** For how long its answers may be silent. */
  silentSeconds: number
}

/** Paths that a cluster asks, on the part's port unless another is named. */
export interface Health {
  /** Not answered: the process is started again. */
  live: string
  /** Not answered with 200: it gets no requests. */
  ready: string
  port?: number
}

/** How many there are, and what each may use. */
export interface ComponentScale {
  replicas: number
  cpu: { request: string; limit: string }
  memory: { request: string; limit: string }
  /** Seconds from SIGTERM to SIGKILL. */
  graceSeconds: number
}

/** A program of somebody else that stands in for ours on a cluster. */
export interface ForeignImage {
  image: string
  /** Program of ours that runs first, and writes what that one reads into the folder of `settings`. */
  prepare: string
  settings: string
  /** Folders that it writes to while it runs. */
  scratch: readonly string[]
  env: Readonly<Record<string, string>>
}

interface Contract<Env extends z.ZodType> {
  /** The name of its process, Deployment, Service, host and NATS user. */
  name: string
  summary: string
  /** Path of the program below the repository, such as `knative/relay/main.ts`. */
  program: string
  /** What it reads when it starts, each variable with a description. */
  env: Env
  /** Variables that hold a secret. */
  secrets: readonly NamesOf<z.output<Env>>[]
  nats?: NatsUse
  /** Routes of the gateway that it answers itself, by the name of their endpoint. */
  routes?: Readonly<Record<string, RouteFacts<unknown, unknown>>>
  waits?: Waits
  reaches: readonly Reach[]
  health?: Health
  scale: ComponentScale
  /** What functions need that is this part. */
  serves?: Dependency
  /** The image of the repository that has it; absent is that of the parts. */
  image?: 'parts' | 'worker' | ForeignImage
  /** Whether it is there for callers from everywhere. */
  open?: boolean
}

/** The names in each member of a union. */
type NamesOf<T> = T extends unknown ? Extract<keyof T, string> : never

export interface Component<Env extends z.ZodType = z.ZodType> {
  name: string
  summary: string
  program: string
  env: Env
  variables: readonly Variable[]
  secrets: readonly string[]
  nats?: NatsUse
  endpoints: readonly EndpointFacts[]
  waits?: Waits
  reaches: readonly (Reach | 'nats')[]
  /** Where it listens, unless `PORT` says otherwise. */
  port: number
  health: Health
  scale: ComponentScale
  serves?: Dependency
  image: 'parts' | 'worker' | ForeignImage
  open: boolean
}

const HEALTH: Health = { live: '/health/live', ready: '/health/ready' }

/**
 * Defines a part.
 *
 * @throws TypeError where the contract contradicts itself
 */
export function defineComponent<Env extends z.ZodType>(contract: Contract<Env>): Component<Env> {
  const { name, nats, routes = {}, image = 'parts', open = false, health = HEALTH, ...rest } = contract
  const variables = variablesOf(contract.env)
  const wrong = findProblem(contract, variables)
  if (wrong !== undefined) throw new TypeError(`Cannot define "${name}": ${wrong}`)
  return {
    ...rest,
    name,
    variables,
    ...(nats === undefined ? {} : { nats }),
    endpoints: Object.entries(routes).map(([route, each]) => toEndpointFacts(route, each)),
    reaches: nats === undefined ? contract.reaches : [...contract.reaches, 'nats'],
    port: Number(variables.find((variable) => variable.name === 'PORT')?.default),
    health,
    image,
    open,
  }
}

function findProblem(
  { name, secrets, nats }: Pick<Component, 'name' | 'secrets'> & { nats?: NatsUse },
  variables: readonly Variable[],
): string | undefined {
  const names = variables.map((variable) => variable.name)
  const unknown = secrets.find((secret) => !names.includes(secret))
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return 'its name is not a DNS label'
  if (unknown !== undefined) return `the secret "${unknown}" is not in its environment`
  if (variables.find((variable) => variable.name === 'PORT')?.default === undefined)
    return 'PORT has no default'
  if (nats !== undefined && !names.includes('NATS_URL')) return 'NATS_URL is not in its environment'
  return undefined
}
