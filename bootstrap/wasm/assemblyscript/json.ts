// As much JSON as small functions need: the fields of one object, read without
// a library. For more, take one of the JSON packages for AssemblyScript.

// Fields reads the top level of a JSON object.
export class Fields {
  // Whether the whole text was one valid object.
  valid: bool = false;
  private texts: Map<string, string> = new Map();
  private at: i32 = 0;

  constructor(private json: string) {
    this.valid = this.object(true) && this.end();
  }

  // The string in a field; null where there is none or it is no string.
  text(name: string): string | null {
    return this.valid && this.texts.has(name) ? this.texts.get(name) : null;
  }

  // The next character that is no white space, -1 at the end.
  private peek(): i32 {
    while (this.at < this.json.length) {
      const c = this.json.charCodeAt(this.at);
      if (c != 0x20 && c != 0x09 && c != 0x0a && c != 0x0d) return c;
      this.at++;
    }
    return -1;
  }

  private take(c: i32): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  private end(): bool { return this.peek() == -1; }

  private object(keep: bool, depth: i32 = 0): bool {
    if (!this.take(0x7b) || depth > 100) return false; // {
    if (this.take(0x7d)) return true; // }
    do {
      const name = this.str();
      if (name === null || !this.take(0x3a)) return false; // :
      if (keep) this.texts.delete(name); // the last of equal names counts
      if (this.peek() == 0x22) {
        const s = this.str();
        if (s === null) return false;
        if (keep) this.texts.set(name, s);
      } else if (!this.value(depth)) return false;
    } while (this.take(0x2c)); // ,
    return this.take(0x7d);
  }

  private array(depth: i32): bool {
    if (!this.take(0x5b) || depth > 100) return false; // [
    if (this.take(0x5d)) return true; // ]
    do {
      if (!this.value(depth)) return false;
    } while (this.take(0x2c));
    return this.take(0x5d);
  }

  private value(depth: i32): bool {
    switch (this.peek()) {
      case 0x22: return this.str() !== null;
      case 0x7b: return this.object(false, depth + 1);
      case 0x5b: return this.array(depth + 1);
      case 0x74: return this.word("true");
      case 0x66: return this.word("false");
      case 0x6e: return this.word("null");
    }
    return this.number();
  }

  private word(w: string): bool {
    if (this.json.substr(this.at, w.length) != w) return false;
    this.at += w.length;
    return true;
  }

  private digits(): bool {
    const from = this.at;
    while (this.at < this.json.length && isDigit(this.json.charCodeAt(this.at))) this.at++;
    return this.at > from;
  }

  // Takes one of two characters right here, white space not allowed.
  private one(a: i32, b: i32): bool {
    if (this.at >= this.json.length) return false;
    const c = this.json.charCodeAt(this.at);
    if (c != a && c != b) return false;
    this.at++;
    return true;
  }

  private number(): bool {
    this.one(0x2d, 0x2d); // -
    if (!this.one(0x30, 0x30) && !this.digits()) return false; // 0, or no leading zero
    if (this.one(0x2e, 0x2e) && !this.digits()) return false; // .
    if (this.one(0x65, 0x45)) { // e E
      this.one(0x2b, 0x2d); // + -
      return this.digits();
    }
    return true;
  }

  // A string with its escapes resolved; null where it is not valid.
  private str(): string | null {
    if (!this.take(0x22)) return null;
    let out = "";
    let from = this.at;
    while (this.at < this.json.length) {
      const c = this.json.charCodeAt(this.at++);
      if (c < 0x20) return null;
      if (c == 0x22) {
        const rest = this.json.substring(from, this.at - 1);
        return out.length == 0 ? rest : out + rest;
      }
      if (c != 0x5c) continue;
      out += this.json.substring(from, this.at - 1);
      const escaped = this.escape();
      if (escaped < 0) return null;
      out += String.fromCharCode(escaped);
      from = this.at;
    }
    return null;
  }

  // The character behind a backslash, -1 where there is no such escape.
  private escape(): i32 {
    if (this.at >= this.json.length) return -1;
    switch (this.json.charCodeAt(this.at++)) {
      case 0x22: return 0x22;
      case 0x5c: return 0x5c;
      case 0x2f: return 0x2f;
      case 0x62: return 0x08;
      case 0x66: return 0x0c;
      case 0x6e: return 0x0a;
      case 0x72: return 0x0d;
      case 0x74: return 0x09;
      case 0x75: return this.hex4();
    }
    return -1;
  }

  private hex4(): i32 {
    if (this.at + 4 > this.json.length) return -1;
    let n = 0;
    for (let i = 0; i < 4; i++) {
      const d = hexDigit(this.json.charCodeAt(this.at++));
      if (d < 0) return -1;
      n = (n << 4) | d;
    }
    return n;
  }
}

function isDigit(c: i32): bool { return c >= 0x30 && c <= 0x39; }

function hexDigit(c: i32): i32 {
  if (isDigit(c)) return c - 0x30;
  c |= 0x20;
  return c >= 0x61 && c <= 0x66 ? c - 0x61 + 10 : -1;
}
