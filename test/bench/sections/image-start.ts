/**
 * The start of what the image `functions` holds, in a container without an engine: from the start of its program until it
 * listens, and until it has answered a first call that needs real PostgreSQL and Redis. Beside a static Go server.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare } from '../comparison.ts'
import { createFixture, newCaller } from '../fixture.ts'
import type { HttpRequest } from '../http-request.ts'
import { timeStart, type Container, type StartTimes } from '../image/container.ts'
import { openCpuLimit, type CpuLimit } from '../image/cpu-limit.ts'
import { layFiles, layFunctions, layGoServer, layProgram, type Command } from '../image/files.ts'
import { openMeasuredDatabase, type MeasuredDatabase } from '../functions.ts'
import {
  inTurn,
  ratio,
  show,
  type Bench,
  type Comparison,
  type Findings,
  type Section,
  type Table,
} from '../section.ts'
import { serverFile } from '../server-process.ts'
import { median } from '../statistics.ts'
import { insertTenant } from '../../servers/functions/in-process.ts'
import { makeStateFolder, startTestRedis, startTestRedisRest } from '../../servers/servers.ts'

export const imageStart: Section = { name: 'image-start', title: 'Start of the image', run }

/** Cores that a pod may use, and a quarter, as where others compete for the node's. */
const POD = 'limit of a pod'
const LIMITS = { [POD]: 1, 'a busy node': 0.25 }
const GO = 'Go'
const NODE = 'bare Node'
const BEFORE = ', before'
/** On the cluster that the target comes from: from a call to the answer of a sleeping Go server. */
const CLUSTER_GO_MS = 1778
const WANTED = 1.15

type Candidates = Record<string, Omit<Container, 'limit'>>

async function run({ quick, before, say }: Bench): Promise<Findings> {
  const limit = openCpuLimit('kgents-bench')
  const root = await mkdtemp(join(tmpdir(), 'kgents-image-'))
  const servers = await openServers()
  try {
    say('laying files')
    const candidates = await prepare(root, servers, before)
    const measured: Record<string, Record<string, StartTimes[]>> = {}
    for (const [name, cores] of Object.entries(LIMITS)) {
      limit?.limit(cores)
      measured[name] = await measure(candidates, limit, quick ? 3 : 11, (line) => say(`${name}: ${line}`))
    }
    return toFindings(measured, limit !== undefined)
  } finally {
    await servers.stop()
    limit?.remove()
    await rm(root, { recursive: true })
  }
}

interface Servers extends MeasuredDatabase {
  /** Where functions find Redis. */
  redis: Record<string, string>
}

async function openServers(): Promise<Servers> {
  const { state, remove } = await makeStateFolder()
  const [database, [redis, rest]] = await Promise.all([
    openMeasuredDatabase(),
    startTestRedis(state).then(async (redis) => [redis, await startTestRedisRest(state, redis.url)] as const),
  ])
  return {
    ...database,
    redis: { UPSTASH_REDIS_REST_URL: rest.restUrl, UPSTASH_REDIS_REST_TOKEN: rest.restToken },
    async stop() {
      await rest.stop()
      await redis.stop()
      await database.stop()
      await remove()
    },
  }
}

/** What is started, by name: functions with a first call each, and the references. */
async function prepare(
  root: string,
  { urls, owner, redis }: Servers,
  before: string | undefined,
): Promise<Candidates> {
  await layFiles(root)
  const fixture = await createFixture()
  const { id, user } = await insertTenant(owner, 'enterprise', ['developer'])
  const headers = {
    ...(await fixture.clientHeaders(newCaller(id, user))),
    'content-type': 'application/json',
  }
  const env = { ...fixture.env, ...redis, DATABASE_URL: urls.app }
  const get = (path: string): HttpRequest => ({ method: 'GET', path, headers: {} })
  const act = (path: string): HttpRequest => ({
    method: 'POST',
    path: `/v1/agentese/${path}`,
    headers,
    body: '{}',
  })
  const calls: Record<string, HttpRequest> = {
    health: get('/health'),
    'json-web-keys': get('/.well-known/jwks.json'),
    'void-entropy': act('void/entropy/sip'),
    'self-memory': act('self/memory/manifest'),
  }
  const functionsOf = (command: Command, suffix = ''): Candidates =>
    Object.fromEntries(
      Object.entries(calls).map(([name, request]) => [
        `${name}${suffix}`,
        { root, command, env: { ...env, FUNCTION: name }, request },
      ]),
    )
  const go = await layGoServer(root)
  const bare = await layProgram(root, serverFile('bare-http.cjs'), '/app/bare-http.cjs')
  const reference = (command: Command) => ({ root, command, env: {}, request: get('/') })
  return {
    ...functionsOf(await layFunctions(root, 'app', undefined)),
    ...(before === undefined ? {} : functionsOf(await layFunctions(root, 'before', before), BEFORE)),
    [NODE]: reference(bare),
    ...(go === undefined ? {} : { [GO]: reference(go) }),
  }
}

async function measure(
  candidates: Candidates,
  limit: CpuLimit | undefined,
  rounds: number,
  say: (line: string) => void,
): Promise<Record<string, StartTimes[]>> {
  const names = Object.keys(candidates)
  const start = (name: string) => timeStart({ ...(candidates[name] as Candidates[string]), limit })
  for (const name of names) await start(name) // until files are in memory, as on a node that has run them before
  return inTurn(names, rounds, (name, round) => {
    if (name === names[0]) say(`round ${round + 1} of ${rounds}`)
    return start(name)
  })
}

function toFindings(measured: Record<string, Record<string, StartTimes[]>>, isLimited: boolean): Findings {
  const tables = Object.entries(measured).map(([name, times]) => tableOf(name, times))
  const [table = { columns: [], rows: [] }, ...further] = tables
  return {
    method:
      'The files of the image on a root that cannot be written, as user 10001, with real PostgreSQL and Redis; from the ' +
      'start of the command in the Dockerfile. The first call is sent when the port takes connections.' +
      (isLimited ? '' : ' Control groups cannot be made here: CPU is not limited.'),
    table,
    further,
    comparisons: comparisonsOf(measured[POD] ?? {}),
  }
}

function tableOf(limit: string, times: Record<string, StartTimes[]>): Table {
  const reference = times[GO] ?? times[NODE] ?? []
  const middle = (each: StartTimes[], what: keyof StartTimes) => median(each.map((time) => time[what]))
  const ratioOf = (each: StartTimes[]) => ratio(middle(each, 'answeredMs') / middle(reference, 'answeredMs'))
  return {
    columns: [
      `${limit}: ${LIMITS[limit as keyof typeof LIMITS]} CPU`,
      'listening ms',
      'first answer ms',
      'CPU ms',
      'held back ms',
      `of ${times[GO] === undefined ? NODE : GO}`,
    ],
    rows: Object.entries(times).map(([name, each]) => [
      name,
      show(middle(each, 'listeningMs')),
      show(middle(each, 'answeredMs')),
      show(middle(each, 'cpuMs')),
      show(middle(each, 'throttledMs')),
      ratioOf(each),
    ]),
  }
}

/** A wake-up on the cluster as it was measured with Go, with what a start takes longer here. */
function comparisonsOf(times: Record<string, StartTimes[]>): Comparison[] {
  const wakeUps = (name: string) =>
    times[GO]?.map(
      ({ answeredMs }, at) => CLUSTER_GO_MS + (times[name]?.[at]?.answeredMs ?? Number.NaN) - answeredMs,
    )
  const reference = times[GO]?.map(() => CLUSTER_GO_MS)
  if (reference === undefined) return []
  return Object.keys(times)
    .filter((name) => name !== GO && name !== NODE && !name.endsWith(BEFORE))
    .map((name) =>
      compare({
        what: `wake-up of ${name}`,
        unit: 'ms',
        before: times[`${name}${BEFORE}`] && wakeUps(`${name}${BEFORE}`),
        after: wakeUps(name) ?? [],
        reference,
        over: `${GO} on the cluster`,
        wanted: { of: 'ratio', atMost: WANTED },
      }),
    )
}
