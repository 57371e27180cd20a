/** Reads an export piece by piece: one is in memory at a time, and no transaction is open while its reader takes it. */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Transact } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'

const unpack = promisify(gunzip)

export async function* readPieces(
  id: string,
  pieces: number,
  transact: Transact<'postgres'>,
): AsyncGenerator<Uint8Array> {
  for (let piece = 1; piece <= pieces; piece += 1) {
    const [row] = await transact(
      'read',
      ({ db }) => db<{ data: Buffer }[]>`
        select data from export_pieces where export_id = ${id} and piece = ${piece}`,
    )
    if (row === undefined)
      throw new Failure('NOT_FOUND', `Cannot read export "${id}": it has expired meanwhile`)
    yield await unpack(row.data)
  }
}
