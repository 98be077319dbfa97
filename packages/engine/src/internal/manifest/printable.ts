/** Text of a file, made fit for one line of an error: visible ASCII of a bounded length. */
export const printable = (text: string, maxLength = 300): string => {
  const clean = text.replace(/[^\x20-\x7e]/g, "?")
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}...`
}
