import { expect, test } from 'vitest'
import { toCsv } from '../../../functions/console/page/pages/csv.ts'

test('toCsv() quotes what would end a field, and writes every member of every row', () => {
  const rows = [
    { path: 'void.entropy.sip', name: 'says "no", twice' },
    { path: 'a\nb', quantity: 1.5 },
    { tags: ['x'] },
  ]
  expect(toCsv(rows).split('\r\n')).toEqual([
    'path,name,quantity,tags',
    'void.entropy.sip,"says ""no"", twice",,',
    '"a\nb",,1.5,',
    ',,,"[""x""]"',
  ])
})

test('toCsv() writes no formula that a spreadsheet would run', () => {
  const rows = ['=1+1', '+1', '-cmd', '@sum(a)', '\tx', '-5', 'a=b'].map((name) => ({ name }))
  expect(toCsv(rows).split('\r\n').slice(1)).toEqual([
    "'=1+1",
    "'+1",
    "'-cmd",
    "'@sum(a)",
    "'\tx",
    '-5',
    'a=b',
  ])
})
