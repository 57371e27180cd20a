/** The options of the command. */
import { BY_DIGEST } from '../target.ts'
import { UsageError } from '../usage-error.ts'
import { parseArgs } from 'node:util'
import { REVISION_LABEL } from './prometheus.ts'
import { DEFAULT_RULES, type Rules } from './rules.ts'

export interface Options {
  folder: string
  overlay: string
  /** Instead of an overlay. */
  image: string | undefined
  /** Nothing outside of it is read or written; everywhere, where absent. */
  namespace: string | undefined
  only: string[] | undefined
  prometheus: string
  revisionLabel: string
  ingress: string | undefined
  probePath: string
  waveSize: number
  dryRun: boolean
  rules: Rules
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  manifests: { type: 'string', default: 'build/manifests' },
  overlay: { type: 'string' },
  namespace: { type: 'string' },
  'functions-image': { type: 'string' },
  only: { type: 'string' },
  prometheus: { type: 'string' },
  'revision-label': { type: 'string', default: REVISION_LABEL },
  ingress: { type: 'string' },
  'probe-path': { type: 'string', default: '/health/live' },
  'wave-size': { type: 'string', default: '4' },
  'min-requests': { type: 'string', default: String(DEFAULT_RULES.minRequests) },
  'patience-seconds': { type: 'string', default: String(DEFAULT_RULES.patienceSeconds) },
  'ready-seconds': { type: 'string', default: String(DEFAULT_RULES.readySeconds) },
  'dry-run': { type: 'boolean', default: false },
} as const

const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** @throws UsageError where an option is wrong */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help === true) return 'help'
  const { overlay, 'functions-image': image, prometheus, 'revision-label': revisionLabel } = values
  if ((overlay === undefined) === (image === undefined))
    throw new UsageError(
      'Cannot deploy: one of --overlay and --functions-image is required; --help lists all options',
    )
  if (image !== undefined && !BY_DIGEST.test(image))
    throw new UsageError(`Cannot deploy: --functions-image: "${image}" has no digest (name@sha256:...)`)
  if (prometheus === undefined || !URL.canParse(prometheus))
    throw new UsageError(
      'Cannot deploy: --prometheus URL is required: without metrics no revision is promoted',
    )
  if (!LABEL.test(revisionLabel))
    throw new UsageError(`Cannot deploy: --revision-label: "${revisionLabel}" is no label`)
  return {
    folder: values.manifests,
    overlay: overlay ?? '',
    image,
    namespace: values.namespace,
    only: values.only?.split(',').filter((name) => name !== ''),
    prometheus,
    revisionLabel,
    ingress: values.ingress,
    probePath: values['probe-path'],
    waveSize: count('wave-size', values['wave-size']),
    dryRun: values['dry-run'],
    rules: {
      ...DEFAULT_RULES,
      minRequests: count('min-requests', values['min-requests']),
      patienceSeconds: count('patience-seconds', values['patience-seconds']),
      readySeconds: count('ready-seconds', values['ready-seconds']),
    },
  }
}

function count(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new UsageError(`Cannot deploy: --${name}: "${text}" is no whole number above 0`)
}
