// What was dropped on the page, with all that is in its folders.

export async function* dropped(transfer) {
  const entries = [...transfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) yield* transfer.files;
  for (const entry of entries) yield* within(entry);
}

async function* within(entry) {
  if (entry.name.startsWith(".") || entry.name === "__MACOSX") return;
  if (entry.isFile) yield await new Promise((resolve, reject) => entry.file(resolve, reject));
  else for (let reader = entry.createReader(), some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) for (const one of some) yield* within(one);
}
