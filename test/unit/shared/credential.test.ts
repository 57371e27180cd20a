import { describe, expect, test } from 'vitest'
import { readCredential } from '../../../shared/http/credential.ts'

describe('readCredential()', () => {
  test.each([
    [{}, { kind: 'none' }],
    [{ authorization: '' }, { kind: 'none' }],
    [{ authorization: 'Bearer a.b.c' }, { kind: 'token', token: 'a.b.c' }],
    [{ authorization: 'BEARER  a.b.c' }, { kind: 'token', token: 'a.b.c' }],
    [{ 'x-api-key': 'kg_a' }, { kind: 'api-key', key: 'kg_a' }],
    [{ 'x-api-key': '' }, { kind: 'api-key', key: '' }],
    [
      { 'x-api-key': 'kg_a', authorization: '' },
      { kind: 'api-key', key: 'kg_a' },
    ],
  ])('reads %j', (headers, credential) => {
    expect(readCredential(headers)).toEqual(credential)
  })

  test.each(['Basic dTpw', 'Bearer', 'Bearer a b', 'Digest username="a", realm="b"'])(
    'takes "%s" for a token that is none of ours, not for a guest',
    (authorization) => {
      expect(readCredential({ authorization })).toMatchObject({ kind: 'token' })
    },
  )

  test.each([
    { authorization: 'Bearer a.b.c', 'x-api-key': 'kg_a' },
    { authorization: 'Bearer a.b.c', 'x-api-key': '' },
    { authorization: 'Basic dTpw', 'x-api-key': 'kg_a' },
    { authorization: 'Bearer a.b.c, Bearer a.b.c' },
    { authorization: 'bearer a.b.c,bearer d.e.f' },
    { authorization: 'Basic dTpw, Bearer a.b.c' },
    { authorization: 'Bearer a.b.c, Basic dTpw' },
    { 'x-api-key': 'kg_a, kg_b' },
    { 'x-api-key': ['kg_a', 'kg_b'] },
  ])('refuses %j: more than one credential', (headers) => {
    expect(() => readCredential(headers)).toThrow(
      expect.objectContaining({ code: 'CREDENTIALS_AMBIGUOUS', status: 400 }),
    )
  })
})
