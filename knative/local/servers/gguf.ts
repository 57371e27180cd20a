/**
 * Writes models in GGUF, the one format that llama.cpp reads: a header of named values, a table of tensors, then their
 * numbers. The same input gives the same bytes, so that what was written can be checked by its hash.
 */
import { open } from 'node:fs/promises'

/** A named value of the header. Types are those of GGUF, not of JavaScript: a reader insists on them. */
export type Value =
  | { type: 'uint32' | 'float32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'int32s'; value: readonly number[] }

export interface Tensor {
  name: string
  /** Innermost dimension last, as PyTorch has it; GGUF wants the opposite. */
  shape: readonly number[]
  data: Float32Array | Float16Array
}

const VERSION = 3
const ALIGNMENT = 32
const TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 }

export async function writeGguf(
  path: string,
  header: Readonly<Record<string, Value>>,
  tensors: readonly Tensor[],
): Promise<void> {
  const values = Object.entries(header)
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(VERSION),
    uint64(tensors.length),
    uint64(values.length),
    ...values.flatMap(([name, value]) => [string(name), encode(value)]),
    ...describe(tensors),
  ])
  const file = await open(path, 'w')
  try {
    await file.writev([head, padding(head.length)])
    for (const { data } of tensors) await file.writev([data, padding(data.byteLength)])
  } finally {
    await file.close()
  }
}

function describe(tensors: readonly Tensor[]): Buffer[] {
  let offset = 0
  return tensors.flatMap(({ name, shape, data }) => {
    const at = offset
    offset += data.byteLength + padding(data.byteLength).length
    const dimensions = shape.toReversed().map(uint64)
    const kind = data instanceof Float32Array ? 0 : 1
    return [string(name), uint32(shape.length), ...dimensions, uint32(kind), uint64(at)]
  })
}

function encode(value: Value): Buffer {
  switch (value.type) {
    case 'uint32':
      return Buffer.concat([uint32(TYPES.uint32), uint32(value.value)])
    case 'float32': {
      const bytes = Buffer.alloc(4)
      bytes.writeFloatLE(value.value)
      return Buffer.concat([uint32(TYPES.float32), bytes])
    }
    case 'bool':
      return Buffer.concat([uint32(TYPES.bool), Buffer.from([Number(value.value)])])
    case 'string':
      return Buffer.concat([uint32(TYPES.string), string(value.value)])
    case 'strings':
      return array(TYPES.string, value.value.map(string))
    default:
      return array(TYPES.int32, value.value.map(uint32))
  }
}

function array(type: number, elements: readonly Buffer[]): Buffer {
  return Buffer.concat([uint32(TYPES.array), uint32(type), uint64(elements.length), ...elements])
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([uint64(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function padding(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)
}
