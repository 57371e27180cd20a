/** Something that the platform wants to fetch cannot be had here; the next source may have it. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}
