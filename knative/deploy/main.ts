/** Deploys the platform to the cluster of kubectl's current context, functions by canary. */
import { KubeConfig } from '@kubernetes/client-node'
import { createApi } from './api.ts'
import { Conflict, Refused, Unavailable } from './api-errors.ts'
import { SYSTEM_CLOCK } from './clock.ts'
import { isGood, type Deploy, type Outcome } from './deploy.ts'
import { readManifests, select, sortManifests, type Manifests } from './manifests.ts'
import { UsageError } from '../usage-error.ts'
import { DEFAULT_TARGET } from '../target.ts'
import { openProber } from './probe.ts'
import { openPrometheus } from './prometheus.ts'
import { readOptions, type Options } from './options.ts'
import { DEFAULT_RULES } from './rules.ts'
import { runDeploy } from './run.ts'
import { withImage } from './running-services.ts'

/** What was asked for; what the cluster was brought back from; what could not be begun or brought to an end. */
const EXIT = { good: 0, rolledBack: 1, stopped: 2 } as const

const HELP = `Usage: npm run deploy -- --overlay NAME --prometheus URL [options]
       npm run deploy -- --functions-image IMAGE@sha256:... --prometheus URL [options]

Brings the cluster of kubectl's current context to the rendered manifests: settings and policies, the Jobs that prepare the
database, functions by canary, then Triggers and parts. A new revision of a function gets 10, 50 and 100 percent of its
requests as long as it is as good as the running one, and none again where it is not. Where nothing has changed nothing is
done. A deploy that was interrupted is continued by the same command.

  --overlay NAME             which of the overlays: dev, staging, production, enterprise
  --manifests FOLDER         where node knative/render.ts --out wrote; build/manifests
  --functions-image IMAGE    only another image for the functions that run, instead of an overlay; runs no Job
  --namespace NAME           only what is in this namespace, for a user who may do no more
  --only NAME,NAME           only these functions, and nothing else
  --prometheus URL           where Prometheus answers
  --revision-label NAME      the label of its metrics that names the revision; kn_revision_name
  --ingress HOST:PORT        where Kourier answers, for the command outside the cluster
  --probe-path PATH          what is requested of a revision with too few requests; /health/live
  --wave-size N              functions that are tried at the same time, after the first; 4
  --min-requests N           requests to the new revision that decide a step; ${DEFAULT_RULES.minRequests}
  --patience-seconds N       how long a step waits for them before it probes; ${DEFAULT_RULES.patienceSeconds}
  --ready-seconds N          how long a new revision may take to become ready; ${DEFAULT_RULES.readySeconds}
  --dry-run                  says what would change, and changes nothing

Exit status: ${EXIT.good} done, or nothing to do; ${EXIT.rolledBack} something was bad, and was taken back; ${EXIT.stopped} not begun, or stopped on its way: run it again.
`

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') return void process.stdout.write(HELP)
  const config = new KubeConfig()
  config.loadFromDefault()
  const deploy: Deploy = {
    api: createApi(config, SYSTEM_CLOCK),
    clock: SYSTEM_CLOCK,
    metrics: openPrometheus(options.prometheus, options.revisionLabel),
    prober: openProber(options.probePath, options.ingress),
    rules: options.rules,
    stopped: {},
    report: (name, text) =>
      process.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${name}: ${text}\n`),
  }
  summarize(await runDeploy(await manifestsFor(options, deploy), deploy, options))
}

async function manifestsFor(options: Options, { api }: Deploy): Promise<Manifests> {
  const { image, namespace, only } = options
  const objects =
    image === undefined
      ? await readManifests(options.folder, options.overlay)
      : await withImage(api, namespace ?? DEFAULT_TARGET.namespace, image)
  return sortManifests(select(objects, { namespace, only }))
}

function summarize(outcomes: readonly Outcome[]): void {
  const changed = outcomes.filter(({ kind }) => kind !== 'unchanged')
  for (const { name, kind, why } of changed)
    process.stdout.write(`${kind.padEnd(11)}  ${name}${why === undefined ? '' : `: ${why}`}\n`)
  const unchanged = outcomes.length - changed.length
  if (unchanged > 0) process.stdout.write(`unchanged    ${unchanged} others\n`)
  process.exitCode = outcomes.every(isGood) ? EXIT.good : EXIT.rolledBack
}

/** An option that there is not, or that has no value. */
function isOption(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

try {
  await main()
} catch (error) {
  const isExpected =
    [Conflict, Refused, Unavailable, UsageError].some((kind) => error instanceof kind) || isOption(error)
  if (!(error instanceof Error) || !isExpected) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = EXIT.stopped
}
