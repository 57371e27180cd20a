import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeHeader,
  encodeHeader,
  fromBinary,
  toBinary,
  type JsonForm,
} from '../../../shared/events/binary-form.ts'
import { parseExactly } from '../../../shared/exact-json.ts'

/** As Node gives a header: each octet as one character. */
const octets = (text: string) => Buffer.from(text).toString('latin1')

describe('decodeHeader()', () => {
  test.each([
    ['a%20b', 'a b'],
    ['%E2%82%AC%20%f0%9f%98%80', '€ 😀'],
    ['a+b', 'a+b'],
    ['100%', '100%'],
    ['%2525', '%25'],
    [octets('Größe €'), 'Größe €'],
    [`${octets('ü')}%C3%BC`, 'üü'],
    ['"a b"', 'a b'],
    ['"say \\"hi\\" \\\\ %20"', 'say "hi" \\  '],
    ['"a', '"a'],
    ['a"b', 'a"b'],
    ['%EF%BB%BFx', '\ufeffx'],
    ['', ''],
  ])('reads %j as %j', (header, value) => expect(decodeHeader(header)).toBe(value))

  test.each(['%FF', '%C0%A0', '%ED%A0%80', '\u00ff', 'a%C3', '"%FF"'])(
    'refuses %j, which is no UTF-8',
    (header) => expect(decodeHeader(header)).toBeUndefined(),
  )

  test('reads what encodeHeader() wrote, which is printable ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const header = encodeHeader(text)
        expect(header).toMatch(/^[!-~]*$/)
        expect(decodeHeader(header)).toBe(text.toWellFormed())
      }),
    )
  })
})

describe('fromBinary()', () => {
  const core = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.order' }
  const read = (headers: Record<string, string>, body: string | Uint8Array = '') =>
    fromBinary(
      {
        ...Object.fromEntries(Object.entries(core).map(([name, value]) => [`ce-${name}`, value])),
        ...headers,
      },
      Buffer.from(body),
    )

  test.each<[string | undefined, string | Uint8Array, JsonForm]>([
    [undefined, '{"total": 12}', { data: { total: 12 } }],
    ['application/vnd.shop+json', '[1]', { data: [1] }],
    ['text/json; charset="UTF-8"', '"a"', { data: 'a' }],
    ['application/json', 'null', { data: null }],
    ['application/json', '', {}],
    ['text/plain', 'straße', { data: 'straße' }],
    ['application/xml', '<a/>', { data: '<a/>' }],
    ['text/plain', '\ufeffa', { data: '\ufeffa' }],
    ['text/plain', 'a\0b', { data_base64: 'YQBi' }],
    ['text/plain; charset=iso-8859-1', Uint8Array.of(0xe9), { data_base64: '6Q==' }],
    ['text/plain', Uint8Array.of(0xe9), { data_base64: '6Q==' }],
    ['application/octet-stream', 'text', { data_base64: 'dGV4dA==' }],
  ])('reads data of type %s', (type, body, data) => {
    const contentType = type === undefined ? {} : { 'content-type': type }
    const typed = type === undefined ? {} : { datacontenttype: type }
    expect(read(contentType, body)).toEqual({ ...core, ...typed, ...data })
  })

  test.each([
    ['JSON that is none', { 'content-type': 'application/json' }, '{'],
    ['no JSON, without a type', {}, 'text'],
    ['JSON that is no UTF-8', {}, Uint8Array.of(0x22, 0xe9, 0x22)],
    ['a header that is no UTF-8', { 'ce-subject': '%FF' }, ''],
    ['a type in two places', { 'ce-datacontenttype': 'text/plain' }, ''],
    ['data in a header', { 'ce-data': 'x' }, ''],
    ['a name with a hyphen', { 'ce-some-name': 'x' }, ''],
  ])('refuses %s', (_what, headers, body) => {
    expect(() => read(headers as Record<string, string>, body)).toThrow()
  })
})

test('fromBinary() reads what toBinary() wrote, to the last character and type', () => {
  const text = fc.string({ unit: 'grapheme' })
  const extension = fc.oneof(text, fc.boolean(), fc.integer())
  const json = fc.jsonValue().map((value) => parseExactly(JSON.stringify(value)))
  const base64 = fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64'))
  const data = fc.oneof(
    fc.record({
      data: json,
      datacontenttype: fc.constantFrom('application/json', 'application/vnd.shop+json'),
    }),
    fc.record({ data: json }),
    fc.record({
      data: text,
      datacontenttype: fc.constantFrom('text/plain', 'application/xml', 'image/svg+xml'),
    }),
    fc.record({
      data_base64: base64,
      datacontenttype: fc.constantFrom('image/png', 'text/plain', 'application/json'),
    }),
    fc.record({ data_base64: base64 }),
    fc.constant({}),
  )
  const name = fc.stringMatching(/^[a-z0-9]{1,20}$/).filter((name) => !/^(data|datacontenttype)$/.test(name))
  fc.assert(
    fc.property(fc.dictionary(name, extension, { noNullPrototype: true }), data, (attributes, content) => {
      const event = { ...attributes, ...content }
      const { headers, contentType, body, form } = toBinary(event)
      const type = contentType === undefined ? {} : { 'content-type': contentType }
      expect(fromBinary({ ...headers, ...type }, body, { form })).toEqual(event)
    }),
  )
})
