import { describe, expect, test } from 'vitest'
import { readJson } from '../../../shared/http/read-body.ts'
import { readEventList } from '../../../shared/http/read-event-list.ts'
import { readEvent } from '../../../shared/http/read-event.ts'

function requestOf(type: string, body: Uint8Array | string, isStreamed = false) {
  const bytes = Buffer.from(body)
  const length = isStreamed ? {} : { 'content-length': String(bytes.length) }
  return new Request('http://localhost/', {
    method: 'POST',
    headers: { 'content-type': type, ...length },
    body: isStreamed ? new Blob([bytes]).stream() : bytes,
    ...(isStreamed ? { duplex: 'half' } : {}),
  })
}

describe('readJson()', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; charset=us-ascii',
    'application/problem+json; charset=utf8',
    'text/json',
  ])('reads UTF-8 of type %s', async (type) => {
    expect(await readJson(requestOf(type, '{"a":"straße 😀"}'))).toEqual({ a: 'straße 😀' })
    expect(await readJson(requestOf(type, '\ufeff{"a":"straße 😀"}', true))).toEqual({ a: 'straße 😀' })
  })

  test.each(['iso-8859-1', 'utf-16', '"UTF-16LE"', 'windows-1252', 'x', ''])(
    'refuses JSON in %j, which is not its encoding',
    async (charset) => {
      const read = readJson(requestOf(`application/json; charset=${charset}`, '{}'))
      await expect(read).rejects.toMatchObject({ code: 'CONTENT_TYPE', status: 415 })
    },
  )

  test.each([
    ['Latin-1', [0x22, 0xe9, 0x22]],
    ['half a character', [0x22, 0xc3, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xa0, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0, 0x7d, 0]],
    ['a byte after the end', [0x7b, 0x7d, 0xff]],
  ])('refuses %s, and stores nothing else in its place', async (_what, bytes) => {
    for (const isStreamed of [false, true]) {
      const read = readJson(requestOf('application/json', Uint8Array.from(bytes), isStreamed))
      await expect(read).rejects.toMatchObject({ code: 'BODY_SYNTAX', status: 400 })
    }
  })

  test('names the number that is beyond all measure', async () => {
    await expect(readJson(requestOf('application/json', '{"a":{"b":[1,1e999]}}'))).rejects.toMatchObject({
      code: 'BODY_SYNTAX',
      message: expect.stringContaining('"/a/b/1"'),
    })
  })

  test('refuses what is nested without end before it is parsed', async () => {
    const body = `${'['.repeat(200_000)}12345678901234567890${']'.repeat(200_000)}`
    await expect(readJson(requestOf('application/json', body))).rejects.toMatchObject({ code: 'BODY_SYNTAX' })
  })
})

describe.each(['application/cloudevents+json', 'application/cloudevents-batch+json', 'application/json'])(
  'an event of type %s',
  (type) => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/a',
      'ce-type': 'b',
      'ce-tenantid': 'c',
    }
    const latin = Uint8Array.of(0x5b, 0x22, 0xe9, 0x22, 0x5d)

    test('is refused where its JSON is not UTF-8, or says that it is not', async () => {
      const named = `${type}; charset=iso-8859-1`
      await expect(
        readEventList(requestOf(type, latin), { ...headers, 'content-type': type }),
      ).rejects.toMatchObject({ status: 400 })
      await expect(
        readEventList(requestOf(named, '[]'), { ...headers, 'content-type': named }),
      ).rejects.toMatchObject({ status: 415 })
      if (type.includes('batch')) return
      await expect(
        readEvent(requestOf(type, latin), { ...headers, 'content-type': type }),
      ).rejects.toMatchObject({ status: 400 })
      await expect(
        readEvent(requestOf(named, '{}'), { ...headers, 'content-type': named }),
      ).rejects.toMatchObject({ status: 415 })
    })
  },
)
