/** Reads a body from a stranger: unpacks it, and stops at a limit, both of what comes and of what that unpacks to. */
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

/** The body is more than was agreed to. */
export class TooLarge extends Error {}
/** The body is packed in a way that is not taken. */
export class UnknownEncoding extends Error {}

const DECODERS = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

/**
 * The whole body, unpacked. It is requested without compression, but some servers compress anyway.
 *
 * @param encoding the answer's `Content-Encoding`
 * @throws TooLarge past `maxBytes`, UnknownEncoding, or the error of the stream
 */
export async function readBounded(
  body: Readable,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Buffer> {
  const name = (encoding ?? '').trim().toLowerCase()
  const atMost = limitedTo(maxBytes)
  if (name === '' || name === 'identity') return await pipeline(body, atMost, join)
  if (!isKnown(name)) throw new UnknownEncoding()
  return await pipeline(body, atMost, DECODERS[name](), limitedTo(maxBytes), join)
}

/** The first `maxBytes` of the body as they come; fewer where it ends or breaks off before. */
export async function readExcerpt(body: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.byteLength
      if (size >= maxBytes) break
    }
  } catch {
    // What has come is good for what it is wanted for.
  }
  return Buffer.concat(chunks).subarray(0, maxBytes)
}

function isKnown(name: string): name is keyof typeof DECODERS {
  return Object.hasOwn(DECODERS, name)
}

function limitedTo(maxBytes: number) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let size = 0
    for await (const chunk of source) {
      size += chunk.byteLength
      if (size > maxBytes) throw new TooLarge()
      yield chunk
    }
  }
}

async function join(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}
