import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { catalog } from '../../../functions/catalog.ts'
import { renderPage } from '../../../functions/control/reference/page.ts'
import { rowsOf } from '../../../functions/control/reference/schema-rows.ts'
import { secretsFor } from '../../../shared/contract/needs.ts'
import { defineOperation, route } from '../../../shared/contract/define-operation.ts'
import { PATH_EVENTS, SYSTEM_EVENTS } from '../../../shared/events/event-types.ts'
import { listFailures } from '../../../shared/failures.ts'

const page = renderPage(catalog)
const endpoints = catalog.flatMap((definition) => definition.endpoints)

/** The text of a page, as a reader sees it. */
function textOf(html: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return html
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&([a-z#0-9]+);/g, (_, name: string) => named[name] ?? '?')
}

function articleOf(name: string): string {
  return new RegExp(`<article id="${RegExp.escape(name)}">[^]*?</article>`).exec(page)?.[0] ?? ''
}

describe('renderPage()', () => {
  test.each(endpoints.map((endpoint) => [endpoint.name, endpoint] as const))('names %s', (name, endpoint) => {
    const text = textOf(articleOf(name))
    expect(text).toContain(endpoint.summary)
    expect(text).toContain(endpoint.path.replaceAll(/:(\w+)/g, '{$1}'))
    for (const effect of endpoint.aspect?.effects ?? []) expect(text).toContain(effect)
    for (const { summary } of endpoint.examples) expect(text).toContain(summary)
    expect(text).toContain('curl -s')
  })

  test('names what the stream hub answers itself, beside the function that it belongs to', () => {
    for (const name of ['subscribe.ack', 'subscribe.end']) expect(articleOf(name)).toContain('event:read')
  })

  test('names every event and every failure', () => {
    for (const type of [...Object.keys(PATH_EVENTS), ...Object.keys(SYSTEM_EVENTS)]) {
      expect(articleOf(type), type).not.toBe('')
    }
    for (const { code, status } of listFailures()) expect(articleOf(`failures-${status}`)).toContain(code)
  })

  test('leads nowhere in vain', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const [body = ''] = page.split('<script>')
    for (const [, id] of body.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(id)
  })

  test('runs and shows what it allows by hash, and loads nothing', () => {
    const [, policy = ''] = /Content-Security-Policy" content="([^"]+)"/.exec(page) ?? []
    for (const part of ['style', 'script']) {
      const inside = [...page.matchAll(new RegExp(`<${part}>([^]*?)</${part}>`, 'g'))].map(
        ([, text = '']) => text,
      )
      expect(inside.length).toBe(1)
      const hash = createHash('sha256')
        .update(inside[0] ?? '')
        .digest('base64')
      expect(textOf(policy)).toContain(`${part}-src 'sha256-${hash}'`)
    }
    expect(policy).not.toContain('unsafe')
    expect(page).not.toMatch(/ (src|style|on\w+)=/)
    expect(page).not.toMatch(/(href|url)\W+https?:/)
  })

  test('tells no name of a secret', () => {
    for (const name of secretsFor(catalog.flatMap(({ needs }) => needs))) expect(page).not.toContain(name)
  })

  test('takes what a contract says for text, on the page and in the shell', () => {
    const nasty = `<script>alert('1')</script>`
    const show = route({
      route: 'POST /nasty',
      auth: 'none',
      summary: nasty,
      input: z.strictObject({ text: z.string().describe(nasty) }),
      output: z.strictObject({}),
      examples: [{ summary: nasty, input: { text: nasty } }],
      handle: () => ({}),
    })
    const other = renderPage([defineOperation({ name: 'nasty', summary: nasty, routes: { show } })])
    expect(other).not.toContain(nasty)
    expect(textOf(other)).toContain(String.raw`-d '{"text":"<script>alert('\''1'\'')</script>"}'`)
  })
})

describe('rowsOf()', () => {
  test('names members of members, of lists and of choices', () => {
    const schema = z.toJSONSchema(
      z.object({
        list: z.array(z.object({ of: z.int().min(1).default(2) })).optional(),
        either: z.union([z.object({ left: z.literal('l') }), z.object({ right: z.enum(['a', 'b']) })]),
        map: z.record(z.string(), z.number()),
      }),
      { io: 'input' },
    )
    expect(rowsOf(schema)).toEqual([
      { name: 'list', type: 'list of object', required: false, notes: [] },
      {
        name: 'list[].of',
        type: 'integer',
        required: false,
        notes: ['at least 1', 'default 2'],
      },
      { name: 'either', type: 'object', required: true, notes: [] },
      { name: 'either.left', type: '"l"', required: true, notes: [] },
      { name: 'either.right', type: '"a" | "b"', required: true, notes: [] },
      { name: 'map', type: 'number by name', required: true, notes: [] },
    ])
  })

  test('comes to an end where a schema contains itself', () => {
    const Tree = z.object({
      get branches() {
        return z.array(Tree)
      },
    })
    expect(rowsOf(z.toJSONSchema(Tree)).map(({ name }) => name)).toEqual([
      'branches',
      'branches[].branches',
      'branches[].branches[].branches',
    ])
  })
})
