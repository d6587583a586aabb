// SPDX-License-Identifier: Apache-2.0
// test("name", async () => {...}) in the order they are written; the outcomes go to standard output, one JSON object a
// line. node_support.py runs such a file and makes one pytest of each.
const tests = [];
exports.test = (name, body) => tests.push({ name, body });

exports.run = async (cleanup, secondsEach = 60) => {
  for (const { name, body } of tests) {
    const begin = Date.now();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not within ${secondsEach} s`)), secondsEach * 1000);
    });
    let error = null;
    try {
      await Promise.race([body(), late]);
    } catch (failure) {
      error = String(failure && failure.stack ? failure.stack : failure);
    }
    clearTimeout(timer);
    console.log(JSON.stringify({ name, error, seconds: (Date.now() - begin) / 1000 }));
    try {
      await cleanup();
    } catch (failure) {
      console.log(JSON.stringify({ name: `cleanup after ${name}`, error: String(failure.stack) }));
    }
  }
  process.exit(0);
};

exports.sleep = (ms) => new Promise((done) => setTimeout(done, ms));

exports.until = async (what, condition, seconds = 15) => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await exports.sleep(50);
  }
};

// Everything a readable stream gives until it ends.
exports.all = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

// A tar archive of {name: text}; enough of the format for short names.
exports.tar = (files) => {
  const parts = [];
  for (const [name, text] of Object.entries(files)) {
    const body = Buffer.from(text);
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write('0000644\0', 100);
    head.write('0000000\0', 108);
    head.write('0000000\0', 116);
    head.write(body.length.toString(8).padStart(11, '0') + '\0', 124);
    head.write('14000000000\0', 136);
    head.write('        ', 148);
    head.write('0', 156);
    head.write('ustar\0' + '00', 257);
    head.write(head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\0 ', 148);
    parts.push(head, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
};

// {name: text} of a tar archive of plain files.
exports.untar = (archive) => {
  const files = {};
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0;) {
    const name = archive.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = parseInt(archive.toString('utf8', at + 124, at + 135), 8);
    files[name] = archive.toString('utf8', at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
};
