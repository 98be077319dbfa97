/* A table of mounts as the kernel writes it (/proc/PID/mountinfo), and the fstab that mount(8) reads. */

/** One line of mountinfo. `root` is the path within its file system that is visible at `point`. */
export interface Mount {
  readonly id: number
  readonly parent: number
  /** Major and minor number of the file system. */
  readonly device: string
  readonly root: string
  readonly point: string
  readonly options: ReadonlySet<string>
  readonly type: string
}

// The kernel writes space, tab, newline and backslash as three octal digits.
const unescape = (text: string): string =>
  text.includes("\\")
    ? Buffer.from(
        text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
        "latin1"
      ).toString("utf8")
    : Buffer.from(text, "latin1").toString("utf8")

/** The mounts in a mountinfo that was read as latin1, which keeps its bytes apart. */
export const parse = (text: string): ReadonlyArray<Mount> =>
  text.split("\n").flatMap((line) => {
    const words = line.split(" ")
    const dash = words.indexOf("-", 6)
    const [id, parent, device, root, point, options] = words
    return device === undefined || root === undefined || point === undefined || options === undefined || dash < 0
      ? []
      : [
          {
            id: Number(id),
            parent: Number(parent),
            device,
            root: unescape(root),
            point: unescape(point),
            options: new Set(options.split(",")),
            type: words[dash + 1] ?? ""
          }
        ]
  })

const isWithin = (directory: string, path: string): boolean =>
  directory === "/" || path === directory || path.startsWith(`${directory}/`)

/** The mounts that can be seen: those that no other mount lies upon. */
export const visible = (mounts: ReadonlyArray<Mount>): ReadonlyArray<Mount> => {
  const covered = new Set(
    mounts.flatMap((mount) =>
      mounts.some((below) => below.id === mount.parent && below.point === mount.point && below.id !== mount.id)
        ? [mount.parent]
        : []
    )
  )
  return mounts.filter((mount) => !covered.has(mount.id))
}

/** The mount that a path lies on. */
export const covering = (mounts: ReadonlyArray<Mount>, path: string): Mount | undefined =>
  visible(mounts)
    .filter((mount) => isWithin(mount.point, path))
    .reduce<Mount | undefined>(
      (best, mount) => (best === undefined || mount.point.length >= best.point.length ? mount : best),
      undefined
    )

/** The mounts below a path, the one it lies on left out. */
export const below = (mounts: ReadonlyArray<Mount>, path: string): ReadonlyArray<Mount> =>
  visible(mounts).filter((mount) => mount.point !== path && isWithin(path, mount.point))

/** What mountinfo will say is the root of a bind mount of this path. */
export const rootOf = (mount: Mount, path: string): string => {
  const rest = mount.point === "/" ? path : path.slice(mount.point.length)
  const root = mount.root === "/" ? rest : `${mount.root}${rest === "/" ? "" : rest}`
  return root === "" ? "/" : root
}

/** Options of a mount that a user namespace below cannot take away, and so must repeat when it changes others. */
export const lockedOptions = (mount: Mount | undefined): ReadonlyArray<string> =>
  ["noexec", "ro"].filter((option) => mount?.options.has(option) === true)

// libmount reads the same octal escapes; "#" would begin a comment.
const escape = (text: string): string =>
  text.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`)

/** One line of an fstab. */
export const fstabLine = (source: string, target: string, type: string, options: ReadonlyArray<string>): string =>
  `${escape(source)} ${escape(target)} ${type} ${options.join(",")} 0 0`
