/** The lists in the README pages say what the code says: no more, and no less. */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { renderManifests } from '../../../knative/render.ts'
import { BASE_ASPECTS } from '../../../shared/agentese/affordances.ts'
import { CATEGORIES } from '../../../shared/agentese/category.ts'
import { KINDS, scopesOf } from '../../../shared/agentese/effects.ts'
import type { Aspect, NodeContract } from '../../../shared/contract/aspect.ts'
import type { EveryCall } from '../../../shared/contract/call.ts'
import { NEEDS } from '../../../shared/contract/needs.ts'
import { listFailures } from '../../../shared/failures.ts'
import { STREAMS } from '../../../shared/nats/streams.ts'
import { PLANS } from '../../plans.ts'
import vitestConfig from '../../../vitest.config.ts'
import { PAGES, ROOT, sectionOf, spansOf, tableOf } from './pages.ts'

const FUNCTIONS = 'functions/README.md'

/** What is between backticks in a column. */
function column(file: string, heading: string, at = 0): string[] {
  return tableOf(file, heading).flatMap((row) => spansOf(row[at] ?? ''))
}

test('README.md shows one function, as it is in the code, and one call within 30 lines', () => {
  const text = PAGES.find(({ file }) => file === 'README.md')?.text ?? ''
  const lines = text.split('\n')
  expect(lines.length).toBeLessThanOrEqual(100)
  const [, shown = ''] = /```ts\n([^]*?)```/.exec(text) ?? []
  const [source = ''] = spansOf(text).filter((span) => span.startsWith('functions/') && span.endsWith('.ts'))
  const real = readFileSync(join(ROOT, source), 'utf8').split('\n')
  const invented = shown.split('\n').filter((line) => line.trim() !== '// ...' && !real.includes(line))
  expect(invented).toEqual([])
  expect(lines.slice(0, 30).join('\n')).toMatch(/```console\n\$ curl .*\n\{"path":/)
})

test('README.md lists every folder', () => {
  const listed = column('README.md', 'Folders').filter((span) => span.endsWith('/'))
  const known = listed.filter((folder) => existsSync(join(ROOT, folder)))
  const folders = ['', 'gateway/', 'knative/'].flatMap((parent) =>
    readdirSync(join(ROOT, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name))
      .map(({ name }) => `${parent}${name}/`),
  )
  expect(known).toEqual(listed)
  expect(folders.filter((folder) => !listed.some((each) => each.startsWith(folder)))).toEqual([])
  for (const { program } of components)
    expect(
      listed.some((each) => program.startsWith(each)),
      program,
    ).toBe(true)
})

test('the calls are the routes of all operations and parts', () => {
  const listed = column(FUNCTIONS, 'HTTP calls')
  const routes = [...catalog, ...components].flatMap(({ endpoints }) =>
    endpoints
      .filter(({ aspect }) => aspect === undefined)
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`),
  )
  expect(listed.toSorted()).toEqual(routes.toSorted())
})

test('the nodes are those of the catalog, by context', () => {
  const listed = tableOf(FUNCTIONS, 'The AGENTESE plane').map(([context = '', nodes = '']) => {
    const [name = ''] = spansOf(context)
    return [
      name,
      spansOf(nodes)
        .filter((node) => /^\w+\.[\w*]+$/.test(node) && !node.endsWith('.house'))
        .toSorted(),
    ]
  })
  const nodes = catalog.flatMap(({ node }) => node ?? [])
  const known = Map.groupBy(nodes, (node) => node.split('.')[0] ?? '')
  expect(Object.fromEntries(listed)).toEqual(
    Object.fromEntries([...known].map(([context, all]) => [context, all.toSorted()])),
  )
})

test('the categories are those of the code', () => {
  const listed = tableOf(FUNCTIONS, 'Categories').map(
    ([letter = '', name = '', writes = '', permission = '']) => [
      spansOf(letter)[0],
      { name, writes: !writes.startsWith('nothing'), permission: spansOf(permission)[0] },
    ],
  )
  expect(Object.fromEntries(listed)).toEqual(CATEGORIES)
})

test('the effects are of all kinds, each with its scope', () => {
  const effects = column(FUNCTIONS, 'Effects')
  expect(effects.map((effect) => effect.split(':')[0])).toEqual(Object.keys(KINDS))
  expect(effects.map((effect) => scopesOf([effect])[0])).toEqual(column(FUNCTIONS, 'Effects', 2))
})

test('the verbs that everybody has are the base verbs', () => {
  const [sentence = ''] =
    /The base verbs [^.]*belong to everybody/.exec(sectionOf(FUNCTIONS, 'Archetypes')) ?? []
  expect(spansOf(sentence)).toEqual(BASE_ASPECTS)
})

test('the contract has the members of an aspect', () => {
  const members: Record<keyof Aspect<never, unknown>, 0> = {
    category: 0,
    archetypes: 0,
    summary: 0,
    effects: 0,
    needs: 0,
    permission: 0,
    input: 0,
    output: 0,
    examples: 0,
    cost: 0,
    route: 0,
    creates: 0,
    owner: 0,
    secret: 0,
    guests: 0,
    transaction: 0,
    handle: 0,
    complete: 0,
    recover: 0,
  }
  expect(column(FUNCTIONS, 'The contract of an aspect')).toEqual(Object.keys(members))
})

test('a node adds the members of its contract', () => {
  const members: Record<Exclude<keyof NodeContract, 'summary' | 'aspects'>, 0> = {
    scale: 0,
    holons: 0,
    triggers: 0,
    tick: 0,
  }
  const [sentence = ''] = /A node adds [^.]*/.exec(sectionOf(FUNCTIONS, 'The contract of an aspect')) ?? []
  expect(spansOf(sentence)).toEqual(Object.keys(members))
})

test('a handler has the members of every call', () => {
  const members: Record<keyof EveryCall, 0> = {
    identity: 0,
    observer: 0,
    holon: 0,
    repeats: 0,
    requestedArchetype: 0,
    idempotencyKey: 0,
    address: 0,
    signal: 0,
    log: 0,
    trace: 0,
  }
  expect(column(FUNCTIONS, 'What a handler has')).toEqual(Object.keys(members))
})

test('the needs are those that a contract can declare, each with what follows from it', () => {
  const listed = tableOf(FUNCTIONS, 'Needs').map(([need = '', , gives = '', secrets = '', reaches = '']) => [
    spansOf(need)[0],
    { gives: spansOf(gives), secrets: spansOf(secrets), reaches: spansOf(reaches) },
  ])
  expect(Object.fromEntries(listed)).toEqual(NEEDS)
})

test('the failures are those of the table in the code', () => {
  const listed = tableOf(FUNCTIONS, 'Failures').map(([category = '', status = '', codes = '']) => [
    spansOf(category)[0],
    status.split(', ').toSorted(),
    spansOf(codes).toSorted(),
  ])
  const known = [...Map.groupBy(listFailures(), ({ category }) => category)].map(([category, rows]) => [
    category,
    [...new Set(rows.map(({ status }) => String(status)))].toSorted(),
    rows.map(({ code }) => code).toSorted(),
  ])
  expect(listed).toEqual(known)
})

test('the plans are those that a database begins with', () => {
  const show = (amount: number | null) => amount?.toLocaleString('en') ?? 'unlimited'
  const known = Object.values(PLANS).map(({ id, limits }) => {
    const { requestsPerMinute, requestsPerHour, requestsAtOnce, apiCallsPerDay, tokensPerMonth } = limits
    const rates = [requestsPerMinute, requestsPerHour, requestsAtOnce, apiCallsPerDay, tokensPerMonth]
    const { sessionsPerMonth, agents, entities, tools, seats, storageBytes, auditDays } = limits
    const held = [sessionsPerMonth, agents, entities, tools, seats, storageBytes, auditDays]
    return [`\`${id}\``, ...[...rates, ...held].map(show)]
  })
  expect(tableOf('shared/README.md', 'Rate limits and plans')).toEqual(known)
})

test('the folders of shared stand in the order that the linter holds', () => {
  const text = readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8').replaceAll(/^ *\/\/.*$/gm, '')
  const { overrides } = JSON.parse(text) as { overrides: { rules: Record<string, [string, string[]]> }[] }
  const floors = overrides.flatMap(({ rules }) => rules['kgents/floors']?.[1] ?? [])
  expect(column('shared/README.md', 'Folders and their order')).toEqual(floors)
})

test('the streams are those that the relay makes', () => {
  const listed = tableOf('knative/README.md', 'The relay').map(([name = '', subjects = '']) => [
    spansOf(name)[0],
    spansOf(subjects),
  ])
  const known = Object.entries(STREAMS).map(([name, { subjects }]) => [name, [...subjects]])
  expect(listed).toEqual(known)
})

test('the manifests are those that are rendered', () => {
  const files = Object.keys(renderManifests(catalog, components)).map((name) => name.replace(/\/.*/, '/'))
  expect(column('knative/README.md', 'Files')).toEqual([...new Set(files)])
})

test('the environments are the overlays, and what is said of components names some that are there', () => {
  const folders = (name: string) => readdirSync(join(ROOT, 'knative/manifests', name))
  expect(column('knative/README.md', 'On a cluster').toSorted()).toEqual(folders('overlays').toSorted())
  expect(folders('components')).toEqual(expect.arrayContaining(column('knative/README.md', 'Data')))
})

test('the kinds of tests are the projects of vitest', () => {
  const projects = vitestConfig.test?.projects as { test: { name: string } }[] // reason: all are written out there
  const names = projects.map(({ test: { name } }) => name)
  expect(column('test/README.md', 'Tests')).toEqual(names)
  expect(column('test/README.md', 'Tests', 2)).toEqual(names.map((name) => `npx vitest --project ${name}`))
})

test('the sections of the bench are listed', async () => {
  const files = globSync('test/bench/sections/*.ts', { cwd: ROOT })
  const sources = files.map((file) => readFileSync(join(ROOT, file), 'utf8'))
  const names = sources.flatMap((source) => /: Section = \{ name: '([\w-]+)'/.exec(source)?.[1] ?? [])
  expect(column('test/bench/README.md', 'How fast it is').toSorted()).toEqual(names.toSorted())
})
