/** What can be held against a workflow without running it: what it names exists, and it may do no more than it needs. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import packageJson from '../../../package.json' with { type: 'json' }

const ROOT = join(import.meta.dirname, '../../..')

interface Step {
  name?: string
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

interface Job {
  uses?: string
  permissions?: Record<string, string>
  'timeout-minutes'?: number
  strategy?: { matrix: { target?: string[] } }
  with?: Record<string, string>
  steps?: Step[]
}

interface Workflow {
  on: Record<string, unknown>
  permissions?: object
  concurrency?: object
  jobs: Record<string, Job>
}

const WORKFLOWS = globSync('.github/workflows/*.yml', { cwd: ROOT }).map((file) => {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return { file, text, workflow: parse(text) as Workflow }
})
const jobs = WORKFLOWS.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${file} ${name}`, job })),
)
const steps = jobs.flatMap(({ name, job }) =>
  (job.steps ?? []).map((step) => ({ name: `${name}: ${step.name ?? step.uses ?? step.run}`, step })),
)
const scripts = steps.flatMap(({ name, step }) => (step.run === undefined ? [] : [{ name, run: step.run }]))

/** What follows a pattern in the scripts. */
const named = (pattern: RegExp) =>
  scripts.flatMap(({ run }) => [...run.matchAll(pattern)].map(([, found = '']) => found))

test('there are the workflows that the README names', () => {
  const names = WORKFLOWS.map(({ file }) => file.replace('.github/workflows/', ''))
  expect(names.sort()).toEqual(['ci.yml', 'deploy-to.yml', 'deploy.yml', 'nightly.yml'])
})

test.for(WORKFLOWS)(
  '$file gives no rights to all of its jobs, and runs beside no other of its kind',
  ({ workflow }) => {
    expect(workflow.permissions).toEqual({})
    if (!('workflow_call' in workflow.on && Object.keys(workflow.on).length === 1))
      expect(workflow.concurrency).toBeDefined()
  },
)

test.for(jobs)('$name names its rights, writes to the repository with none of them, and ends', ({ job }) => {
  expect(job.permissions).toBeDefined()
  expect(job.permissions).not.toMatchObject({ contents: 'write' })
  if (job.uses === undefined) expect(job['timeout-minutes']).toBeGreaterThan(0)
})

test('actions are pinned by commit, with the version beside it, and workflows of ours are there', () => {
  const lines = WORKFLOWS.flatMap(({ text }) =>
    text.split('\n').filter((line) => /^\s*(- )?uses:/.test(line)),
  )
  const local = lines.flatMap((line) => / (\.\/\S+)$/.exec(line)?.[1] ?? [])
  expect(local.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  const others = lines.filter((line) => !line.includes(' ./'))
  expect(others.length).toBeGreaterThan(10)
  expect(others.filter((line) => !/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual(
    [],
  )
})

test('an action has the same commit wherever it is used', () => {
  const used = new Map<string, Set<string>>()
  for (const { step } of steps) {
    const [action = '', commit = ''] = step.uses?.split('@') ?? []
    used.set(action, (used.get(action) ?? new Set()).add(commit))
  }
  expect([...used].filter(([, commits]) => commits.size > 1)).toEqual([])
})

test('scripts are bash, and take from expressions only what their environment has', () => {
  const unread = scripts.filter(({ run }) => spawnSync('bash', ['-n'], { input: run }).status !== 0)
  expect(unread.map(({ name }) => name)).toEqual([])
  // What GitHub puts into the text of a script is run: a branch may be named after a command.
  expect(scripts.filter(({ run }) => run.includes('${{')).map(({ name }) => name)).toEqual([])
})

test('the repository is checked out without leaving a token behind', () => {
  const checkouts = steps.filter(({ step }) => step.uses?.startsWith('actions/checkout@'))
  expect(checkouts.filter(({ step }) => step.with?.['persist-credentials'] !== false)).toEqual([])
})

test('commands are there: npm scripts, programs, targets of the Dockerfile, files of the manifests', () => {
  const programs = named(/\bnode ([\w./-]+)/g)
  expect(programs.length).toBeGreaterThan(1)
  expect(programs.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  const npmScripts = [...named(/\bnpm run (?:--silent )?([\w:]+)/g), 'test']
  expect(npmScripts.filter((name) => !(name in packageJson.scripts))).toEqual([])
  const stages = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/^FROM \S+ AS (\S+)$/gm)
  const targets = jobs.flatMap(({ job }) => job.strategy?.matrix.target ?? [])
  const loops = named(/for target in ([\w -]+); do/g).flatMap((list) => list.split(' '))
  const known = [...stages].map(([, name = '']) => name)
  expect(targets.length).toBe(4)
  expect([...targets, ...loops].filter((name) => !known.includes(name))).toEqual([])
  const bases = named(/build\/manifests\/(base\/\S+\.yaml)/g)
  expect(bases.filter((path) => !existsSync(join(ROOT, 'knative/manifests', path)))).toEqual([])
})

test('options of our commands are those that they take', () => {
  const optionsOf = (program: string) => {
    const text = execFileSync(process.execPath, [join(ROOT, program), '--help'], { encoding: 'utf8' })
    return new Set(text.match(/--[a-z-]+/g))
  }
  const given = (command: RegExp) =>
    scripts.flatMap(({ run }) =>
      [...run.replaceAll(/\\\n\s*/g, ' ').matchAll(command)].flatMap(
        ([line]) =>
          line
            .split(' -- ')
            .at(-1)
            ?.match(/--[a-z-]+/g) ?? [],
      ),
    )
  const pairs = [
    { given: given(/npm run (?:--silent )?deploy -- .*/g), known: optionsOf('knative/deploy/main.ts') },
    { given: given(/node knative\/render\.ts .*/g), known: optionsOf('knative/render.ts') },
  ]
  for (const { given, known } of pairs) {
    expect(given.length).toBeGreaterThan(3)
    expect(given.filter((option) => !known.has(option))).toEqual([])
  }
})

describe('actionlint', () => {
  const version = spawnSync('actionlint', ['-version'])
  if (version.status !== 0)
    process.stderr.write(
      'skipped: actionlint is not on the PATH (go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)\n',
    )

  test.skipIf(version.status !== 0)('finds nothing', () => {
    const found = spawnSync(
      'actionlint',
      WORKFLOWS.map(({ file }) => file),
      { cwd: ROOT, encoding: 'utf8' },
    )
    expect(found.stdout + found.stderr).toBe('')
  })
})
