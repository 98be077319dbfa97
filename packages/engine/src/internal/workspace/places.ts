import type { Directories } from "../../Directories.js"

/** Where the copies of an owner's bottles are; none is ever shown to a guest but the one tree that is its own. */
export const directoryOf = ({ state }: Pick<Directories, "state">): string => `${state}/workspaces`

export const placeOf = (directories: Pick<Directories, "state">, id: string): string =>
  `${directoryOf(directories)}/${id}`

export const treeOf = (place: string): string => `${place}/tree`
