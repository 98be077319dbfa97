import * as Fs from "node:fs"

const closeOnExec = 0o2000000

let inherited: ReadonlyArray<number> | undefined

/**
 * Descriptors above 2 that children of this process would inherit. Node marks its own, and the low ones that it was
 * given; a caller may have left others open. They are here from the start, so one look is enough.
 */
export const inheritable = (): ReadonlyArray<number> => {
  inherited ??= Fs.readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => {
      if (descriptor <= 2) return false
      try {
        const info = Fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")
        const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? "0", 8)
        return (flags & closeOnExec) === 0
      } catch {
        return false
      }
    })
  return inherited
}
