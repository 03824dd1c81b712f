namespace CacheKit.Redis.Protocol;

/// <summary>The scripts. Each is atomic; each has its keys in one slot.</summary>
/// <remarks>
/// <para><b>Nothing that comes late does harm.</b> A command may have been given up by its caller and land all the same, after later ones have. So every script
/// that changes an entry is told a stamp its sender knew, or drew, before it was sent, and refuses if the key has been written or
/// invalidated later than that (its fence); who is still waiting sends it again with what it knows now. Fences do not last for ever; therefore a stamp is also refused once it
/// is older, by the server's time, than half of a fence's life.</para>
/// <para>Numbers up to 2^53 are exact in Lua, and stamps stay below. Instants do not, so they are compared in halves.</para>
/// </remarks>
internal static class Scripts
{
    /// <summary>The sender's knowledge is too old to tell; it should look at the clock and try again.</summary>
    internal const long Outdated = 0;

    /// <summary>There is an entry that has not expired.</summary>
    internal const long Present = -1;

    /// <summary>The entry is not the one that was meant, or not a counter.</summary>
    internal const long Differs = -2;

    /// <summary>A stamp is needed, and cannot be drawn here.</summary>
    internal const long NeedsStamp = -3;

    /// <summary>Of one among several: something is not plain about it, so it is to be done alone.</summary>
    internal const long Aside = -4;

    /// <summary>Answers below mean that the key was written or invalidated later than the sender knew: at minus this stamp.</summary>
    internal const long Behind = -1000;

    // What is far ahead of the time is damage; and the time is at least what the sender knows, though the server's was set back.
    private const string Reading = """
        local function u64(s, i) return (struct.unpack('>I8', s, i)) end
        local function header(key, t)
          local h = redis.call('GETRANGE', key, 0, 46)
          if #h == 47 and string.byte(h, 1) == 196 and string.byte(h, 2) == 1 and u64(h, 20) - t < 3600000000 then return h end
        end
        local function has(h, flag) return bit.band(string.byte(h, 3), flag) ~= 0 end
        -- The steps of a counter have stamps of their own, which are none for other steps.
        local function last(h) return has(h, 16) and math.max(u64(h, 20), u64(h, 4)) or u64(h, 20) end
        local function past(h, i, hi, lo)
          local a, b = struct.unpack('>I4I4', h, i)
          return a < hi or (a == hi and b <= lo)
        end
        local function micros()
          local t = redis.call('TIME')
          return t[1] * 1000000 + t[2]
        end

        """;

    // What a sender knows and what is far ahead of both the time and the clock is damage: it would leave the clock no way on.
    // The clock is a sorted set: 'z' is the time, 'a' since when the journal is complete, the rest is the journal, by stamp. Rank 0 is always 'a', and the last is 'z'.
    private const string Drawing = """
        local function draw(key, known, t)
          local g = tonumber(redis.call('ZSCORE', key, 'z'))
          local anew = not g
          if known - math.max(t, g or 0) >= 3600000000 then known = 0 end
          if anew or known > g then g = known end
          g = g + 1
          if t > g then g = t end
          local s = string.format('%.0f', g)
          if anew then redis.call('ZADD', key, s, 'z', s, 'a') else redis.call('ZADD', key, s, 'z') end
          return g, s
        end

        """;

    /// <summary>Stores what somebody has set. KEYS entry [clock]; ARGV known, age, px, tail, stamp where there is no clock.</summary>
    /// <remarks>
    /// The most frequent of the scripts that draw, so it makes as few calls as it can. It does without the time where a fence is there and lets it pass: then none
    /// later has been there and gone. And it only counts the clock on: what keeps that up with the time are those who look at it.
    /// </remarks>
    internal static readonly RedisScript Set = new("""
        local known = tonumber(ARGV[1])
        local h = redis.call('GETRANGE', KEYS[1], 0, 46)
        local fence
        if #h == 47 then
          local magic, version, flags, own, cover, last = struct.unpack('>BBBI8I8I8', h)
          if magic == 196 and version == 1 then
            fence = last
            if bit.band(flags, 16) ~= 0 then fence = math.max(fence, own) end
          end
        end
        local t
        if not fence or fence > known then
          local time = redis.call('TIME')
          t = time[1] * 1000000 + time[2]
          if fence and fence - math.max(t, known) < 3600000000 then return -fence end
          if t - known > tonumber(ARGV[2]) then return 0 end
        end
        local stamp
        if KEYS[2] then
          stamp = tonumber(redis.call('ZINCRBY', KEYS[2], 1, 'z'))
          if stamp <= known then
            if not t then
              local time = redis.call('TIME')
              t = time[1] * 1000000 + time[2]
            end
            stamp = math.max(known + 1, t)
            local s = string.format('%.0f', stamp)
            redis.call('ZADD', KEYS[2], s, 'z')
            redis.call('ZADD', KEYS[2], 'NX', s, 'a')
          end
        else
          stamp = tonumber(ARGV[5])
        end
        local value = '\196\1\0' .. struct.pack('>I8I8I8', stamp, stamp, stamp) .. ARGV[4]
        if ARGV[3] == '' then redis.call('SET', KEYS[1], value) else redis.call('SET', KEYS[1], value, 'PX', ARGV[3]) end
        return stamp
        """);

    /// <summary>How many arguments of <see cref="WriteMany"/> come before those of the entries.</summary>
    internal const int WriteManyFixed = 7;

    /// <summary>
    /// What <see cref="Set"/> and <see cref="Populate"/> do, for several entries, whose bytes have been stored under other names just before. KEYS clock, entries, those names; ARGV known, age, fence px, number of
    /// those set, now, now, the stamp after which those were foretold that are in the bytes of what is set, then for each entry px, and the stamp of what a factory has made.
    /// </summary>
    /// <remarks>
    /// Returns the last stamp that was drawn, if all were stored: theirs follow each other. Else what became of each, and a nought at the end. An error is that of one entry; the others do not notice. Where one
    /// key is set twice the second is stored over the first, whose fence does not count. The bytes are moved, and do not come here: a long text costs more than all the calls. Before anything has
    /// an entry's name, its stamps are in it: those that were drawn here.
    /// </remarks>
    internal static readonly RedisScript WriteMany = new("""
        local known, n, sets = tonumber(ARGV[1]), (#KEYS - 1) / 2, tonumber(ARGV[4])
        local age, least, hi, lo = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
        local call = redis.call
        local time = call('TIME')
        local t = time[1] * 1000000 + time[2]
        if t - known > age then
          call('DEL', unpack(KEYS, n + 2))
          return -4
        end
        local last = 0
        if sets > 0 then
          last = tonumber(redis.call('ZINCRBY', KEYS[1], sets, 'z'))
          if last - sets < known then
            last = math.max(known, t) + sets
            local s = string.format('%.0f', last)
            redis.call('ZADD', KEYS[1], s, 'z')
            redis.call('ZADD', KEYS[1], 'NX', s, 'a')
          end
        end
        local drawn, own, all, mine = last - sets, {}, true, {}
        local isForetold = drawn == tonumber(ARGV[7])
        for i = 1, n do
          local key, waiting, px, stamp = KEYS[i + 1], KEYS[n + i + 1], ARGV[i * 2 + 6], tonumber(ARGV[i * 2 + 7])
          local isSet = not stamp
          if isSet then
            drawn = drawn + 1
            stamp = drawn
          end
          local result = stamp
          if not isSet and t - stamp > age then
            result = -4
          elseif not isSet and call('RENAMENX', waiting, key) == 1 then
            if px ~= '' then call('PEXPIRE', key, px) end
          else
            local h = redis.pcall('GETRANGE', key, 0, 46)
            if type(h) ~= 'string' then
              result = -4
            elseif #h == 47 then
              local magic, version, flags, present, cover, fence = struct.unpack('>BBBI8I8I8', h)
              if isSet and bit.band(flags, 16) ~= 0 then fence = math.max(fence, present) end
              if magic == 196 and version == 1 and fence - math.max(t, known) < 3600000000 then
                if isSet then
                  if fence > known and not mine[key] then result = -fence end
                elseif fence > stamp then
                  result = -fence
                elseif flags < 128 and present == stamp then
                  local a, b = struct.unpack('>I4I4', h, 36)
                  if a > hi or (a == hi and b > lo) then result = -stamp end
                end
              end
            end
            if result > 0 then
              if isSet and not isForetold then
                local bytes = struct.pack('>I8', stamp)
                if type(redis.pcall('SETRANGE', waiting, 3, bytes .. bytes .. bytes)) == 'table' then result = -4 end
              elseif not isSet and px ~= '' and #h == 47 and tonumber(px) < least then
                local left = call('PTTL', key)
                if left < 0 or left > least then left = least end
                if left > tonumber(px) then px = string.format('%.0f', left) end
              end
              if result > 0 and redis.pcall('RENAME', waiting, key).ok then
                if px ~= '' then call('PEXPIRE', key, px) end
                if isSet then mine[key] = true end
              else
                result = -4
              end
            end
          end
          if result < 0 then
            redis.pcall('DEL', waiting)
            all = false
          end
          own[i] = result
        end
        if all then return last end
        own[n + 1] = 0
        return own
        """);

    /// <summary>
    /// Stores an entry if there is none (mode A), or in place of a certain one (U). KEYS entry [clock]; ARGV mode, known, stamp, age, px, flags, tail, meant, now,
    /// now.
    /// </summary>
    internal static readonly RedisScript Write = new(Reading + Drawing + """
        local known = tonumber(ARGV[2])
        local t = micros()
        local h = header(KEYS[1], math.max(t, known))
        local fence = h and last(h) or 0
        if fence > known then return -fence end
        if t - known > tonumber(ARGV[4]) then return 0 end
        local flags, tail, hi, lo = ARGV[6], ARGV[7], tonumber(ARGV[9]), tonumber(ARGV[10])
        local cover
        if ARGV[1] == 'A' then
          if h and not has(h, 192) and not past(h, 28, hi, lo) and not past(h, 36, hi, lo) and u64(h, 4) ~= tonumber(ARGV[8]) then return -1 end
        else
          if not h or has(h, 128) or u64(h, 4) ~= tonumber(ARGV[8]) or past(h, 36, hi, lo) then return -2 end
          cover = u64(h, 12)
          if has(h, 64) then flags = '\196\1\64'; tail = string.sub(h, 28, 35) .. string.sub(tail, 9) end
        end
        local stamp = tonumber(ARGV[3])
        if not stamp then stamp = draw(KEYS[2], known, t) end
        local value = flags .. struct.pack('>I8I8I8', stamp, cover or stamp, stamp) .. tail
        if ARGV[5] == '' then redis.call('SET', KEYS[1], value) else redis.call('SET', KEYS[1], value, 'PX', ARGV[5]) end
        return stamp
        """);

    /// <summary>Stores what a factory has made, unless it was overtaken. KEYS entry; ARGV stamp, age, px, value, now, now, fence px.</summary>
    /// <remarks>
    /// Without the functions of the others, which would be made anew for each of the most frequent writes. What takes the place of a fence stays as long as that would have, though its own
    /// life be shorter: when it has gone, a value from before the fence would find nothing to refuse it.
    /// </remarks>
    internal static readonly RedisScript Populate = new("""
        local stamp = tonumber(ARGV[1])
        local time = redis.call('TIME')
        local t = time[1] * 1000000 + time[2]
        local h = redis.call('GETRANGE', KEYS[1], 0, 46)
        if #h == 47 then
          local magic, version, flags, own, cover, fence = struct.unpack('>BBBI8I8I8', h)
          if magic == 196 and version == 1 and fence - math.max(t, stamp) < 3600000000 then
            if fence > stamp then return -fence end
            if flags < 128 and own == stamp then
              local a, b = struct.unpack('>I4I4', h, 36)
              local hi = tonumber(ARGV[5])
              if a > hi or (a == hi and b > tonumber(ARGV[6])) then return -stamp end
            end
          end
        end
        if t - stamp > tonumber(ARGV[2]) then return 0 end
        local px = tonumber(ARGV[3])
        if not px then
          redis.call('SET', KEYS[1], ARGV[4])
          return stamp
        end
        local least = tonumber(ARGV[7])
        if #h == 47 and px < least then
          local left = redis.call('PTTL', KEYS[1])
          if left < 0 or left > least then left = least end
          if left > px then px = left end
        end
        redis.call('SET', KEYS[1], ARGV[4], 'PX', string.format('%.0f', px))
        return stamp
        """);

    /// <summary>Removes or expires an entry. KEYS entry [clock]; ARGV mode, known, stamp, age, fence px, now, now. Returns the stamp and what was there.</summary>
    internal static readonly RedisScript Invalidate = new(Reading + Drawing + """
        local known = tonumber(ARGV[2])
        local t = micros()
        local h = header(KEYS[1], math.max(t, known))
        local fence = h and last(h) or 0
        if fence > known then return {-fence, ''} end
        if t - known > tonumber(ARGV[4]) then return {0, ''} end
        local stamp = tonumber(ARGV[3])
        if not stamp then stamp = draw(KEYS[2], known, t) end
        local there = h and not has(h, 128) and not past(h, 36, tonumber(ARGV[6]), tonumber(ARGV[7]))
        local was = there and redis.call('GETRANGE', KEYS[1], 0, 46 + struct.unpack('>I4', h, 44)) or ''
        if there and ARGV[1] == 'E' then
          local expired = has(h, 64) and string.sub(h, 28, 35) or struct.pack('>I4I4', tonumber(ARGV[6]), tonumber(ARGV[7]))
          redis.call('SETRANGE', KEYS[1], 2, string.char(bit.bor(string.byte(h, 3), 64)) .. string.sub(h, 4, 19) .. struct.pack('>I8', stamp) .. expired)
          local left = redis.call('PTTL', KEYS[1])
          if left >= 0 and left < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
        else
          redis.call('SET', KEYS[1], '\196\1\128' .. struct.pack('>I8I8I8', stamp, stamp, stamp) .. string.rep('\0', 20), 'PX', ARGV[5])
        end
        return {stamp, was}
        """);

    /// <summary>Gives an entry other instants. KEYS entry; ARGV stamp, instants, px, fence px, now, now.</summary>
    internal static readonly RedisScript SetExpiration = new(Reading + """
        local h = header(KEYS[1], math.max(micros(), tonumber(ARGV[1])))
        if not h or has(h, 192) or u64(h, 4) ~= tonumber(ARGV[1]) or past(h, 36, tonumber(ARGV[5]), tonumber(ARGV[6])) then return 0 end
        redis.call('SETRANGE', KEYS[1], 27, ARGV[2])
        local px = tonumber(ARGV[3])
        if not px then
          redis.call('PERSIST', KEYS[1])
        else
          local left, least = redis.call('PTTL', KEYS[1]), tonumber(ARGV[4])
          if left < 0 or left > least then left = least end
          redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(px, left)))
        end
        return 1
        """);

    /// <summary>
    /// Steps a counter. The stamp of a step is not the clock's, so it is no fence: steps commute. KEYS entry [clock]; ARGV known, stamp, age, floor, delta ×2, initial ×2, minimum ×2, maximum ×2, now ×2, px, tail. Returns the stamp, the number, and
    /// the counter's header and tags.
    /// </summary>
    internal static readonly RedisScript Count = new(Reading + Drawing + """
        local known = tonumber(ARGV[1])
        local t = micros()
        local h = header(KEYS[1], math.max(t, known))
        local fence = h and u64(h, 20) or 0
        if fence > known then return {-fence, '', ''} end
        if t - known > tonumber(ARGV[3]) then return {0, '', ''} end
        local hi, lo = tonumber(ARGV[13]), tonumber(ARGV[14])
        local dh, dl = tonumber(ARGV[5]), tonumber(ARGV[6])
        local minh, minl, maxh, maxl = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
        local function add(nh, nl)
          local l = nl + dl
          local carry = 0
          if l >= 4294967296 then l = l - 4294967296; carry = 1 end
          local s = nh + dh + carry
          if s > 2147483647 or s > maxh or (s == maxh and l > maxl) then return maxh, maxl end
          if s < -2147483648 or s < minh or (s == minh and l < minl) then return minh, minl end
          return s, l
        end
        if h and not has(h, 192) and not past(h, 28, hi, lo) and not past(h, 36, hi, lo) and u64(h, 12) >= tonumber(ARGV[4]) then
          local at = 47 + struct.unpack('>I4', h, 44)
          if not has(h, 16) or redis.call('STRLEN', KEYS[1]) ~= at + 8 then return {-2, '', redis.call('GETRANGE', KEYS[1], 0, at - 1)} end
          local number = struct.pack('>i4I4', add(struct.unpack('>i4I4', redis.call('GETRANGE', KEYS[1], at, at + 7))))
          local stamp = u64(h, 4) + 1
          redis.call('SETRANGE', KEYS[1], 3, struct.pack('>I8', stamp))
          redis.call('SETRANGE', KEYS[1], at, number)
          return {stamp, number, redis.call('GETRANGE', KEYS[1], 0, at - 1)}
        end
        local stamp = tonumber(ARGV[2])
        if not stamp then
          if not KEYS[2] then return {-3, '', ''} end
          stamp = draw(KEYS[2], known, t)
        end
        local number = struct.pack('>i4I4', add(tonumber(ARGV[7]), tonumber(ARGV[8])))
        local value = '\196\1\16' .. struct.pack('>I8I8I8', stamp, stamp, stamp) .. ARGV[16]
        if ARGV[15] == '' then redis.call('SET', KEYS[1], value .. number) else redis.call('SET', KEYS[1], value .. number, 'PX', ARGV[15]) end
        return {stamp, number, value}
        """);

    /// <summary>
    /// Takes out an entry that everything's removal has covered. KEYS entry; ARGV the removal's stamp. Not one whose key was written or invalidated since, however dead: it refuses what was made before that.
    /// What this one would have refused, the removal covers.
    /// </summary>
    internal static readonly RedisScript Sweep = new(Reading + """
        local cleared = tonumber(ARGV[1])
        local h = header(KEYS[1], math.max(micros(), cleared))
        if not h or has(h, 128) or u64(h, 20) >= cleared or u64(h, 4) >= cleared then return 0 end
        return redis.call('UNLINK', KEYS[1])
        """);

    /// <summary>Leaves nothing under a key that is no later than a stamp, where there is no space for a fence. KEYS entry; ARGV known.</summary>
    internal static readonly RedisScript Drop = new(Reading + """
        local h = header(KEYS[1], math.max(micros(), tonumber(ARGV[1])))
        if h and u64(h, 20) > tonumber(ARGV[1]) then return 0 end
        return redis.call('DEL', KEYS[1])
        """);

    /// <summary>Draws a stamp. KEYS clock; ARGV known, journal's length, what it is drawn for … (for the journal).</summary>
    /// <remarks>For an invalidation also on a server that is full, as in <see cref="Look"/>: it needs next to no memory, and without it what should be gone would go on being read.</remarks>
    internal static readonly RedisScript Draw = new(Reading + Drawing + """
        if #ARGV > 2 then redis.pcall('ZREM', KEYS[1], '') end
        local g, s = draw(KEYS[1], tonumber(ARGV[1]), micros())
        for i = 3, #ARGV do redis.call('ZADD', KEYS[1], s, ARGV[i]) end
        if #ARGV > 2 then
          local extra = redis.call('ZCARD', KEYS[1]) - 2 - tonumber(ARGV[2])
          if extra > 0 then
            local last = redis.call('ZRANGE', KEYS[1], extra, extra, 'WITHSCORES')
            redis.call('ZREMRANGEBYRANK', KEYS[1], 1, extra)
            redis.call('ZADD', KEYS[1], last[2], 'a')
          end
        end
        return g
        """);

    /// <summary>
    /// Looks at the clock. KEYS clock; ARGV known, step, names …. Returns the time, and for each name a stamp since when it is certain that nothing
    /// was drawn for it; minus the time where the server does not let the clock go on.
    /// </summary>
    /// <remarks>
    /// <para>What it shows is always what the clock has kept: a server whose time is set back shows nothing twice.</para>
    /// <para>A server that is full refuses a script what may need memory, unless the script has begun with something that needs none; and to move the clock on, or make it, needs next to none.
    /// Where it refuses that as well, as after a snapshot that failed, the clock stands still, and can be read.</para>
    /// </remarks>
    internal static readonly RedisScript Look = new(Reading + Drawing + """
        local known, t = tonumber(ARGV[1]), micros()
        local g = tonumber(redis.call('ZSCORE', KEYS[1], 'z'))
        if known - math.max(t, g or 0) >= 3600000000 then known = 0 end
        local stands = false
        if not g then
          redis.pcall('ZREM', KEYS[1], '')
          g = draw(KEYS[1], known, t)
        elseif known > g or t - g > tonumber(ARGV[2]) then
          local on = math.max(known, t)
          local function move() return redis.pcall('ZADD', KEYS[1], string.format('%.0f', on), 'z') end
          local moved = move()
          if type(moved) == 'table' then
            redis.pcall('ZREM', KEYS[1], '')
            moved = move()
          end
          if type(moved) ~= 'table' then
            g = on
          else
            stands = string.find(moved.err, 'OOM', 1, true) or string.find(moved.err, 'MISCONF', 1, true) or string.find(moved.err, 'NOREPLICAS', 1, true)
            if not stands then return moved end
          end
        end
        local answer = {stands and -g or g}
        if #ARGV > 2 then
          local since = tonumber(redis.call('ZSCORE', KEYS[1], 'a')) or g
          for i = 3, #ARGV do answer[i - 1] = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i])) or since end
        end
        return answer
        """);

    /// <summary>Records an invalidation by a tag. KEYS record; ARGV stamp, kind, px, hashes of the other tags, most conjunctions.</summary>
    /// <remarks>Also on a server that is full, see <see cref="Draw"/>: the first thing that it writes needs no memory, and does nothing that the end does not do. What is somebody else's has ended it before.</remarks>
    internal static readonly RedisScript Record = new("""
        local v = redis.call('GET', KEYS[1])
        redis.pcall('PEXPIRE', KEYS[1], ARGV[3])
        local function u64(s, i) return (struct.unpack('>I8', s, i)) end
        local s, kind, others = tonumber(ARGV[1]), ARGV[2], ARGV[4]
        local r, x, list = s, 0, {}
        if v and #v >= 18 and string.byte(v, 1) == 197 and string.byte(v, 2) == 1 then
          r, x = u64(v, 3), u64(v, 11)
          if others == '' then
            if kind == 'R' then r = math.max(r, s) else x = math.max(x, s) end
          end
          local i = 19
          while i + 9 <= #v do
            local size = 10 + 8 * string.byte(v, i + 9)
            local one = string.sub(v, i, i + size - 1)
            local same = string.sub(one, 9, 9) == kind and string.sub(one, 11) == others
            if u64(one, 1) > r and not (same and u64(one, 1) < s) then list[#list + 1] = one end
            i = i + size
          end
          if others ~= '' and s > r then list[#list + 1] = struct.pack('>I8', s) .. kind .. string.char(#others / 8) .. others end
          while #list > tonumber(ARGV[5]) do
            local first = table.remove(list, 1)
            if string.sub(first, 9, 9) == 'R' then r = math.max(r, u64(first, 1)) else x = math.max(x, u64(first, 1)) end
          end
        end
        redis.call('SET', KEYS[1], '\197\1' .. struct.pack('>I8I8', r, x) .. table.concat(list), 'PX', ARGV[3])
        return 1
        """);

    /// <summary>Puts a record in the place of a marker. KEYS record; ARGV marker, record, px. Returns what is there.</summary>
    internal static readonly RedisScript Establish = new("""
        local v = redis.call('GET', KEYS[1])
        if v ~= ARGV[1] then return v end
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        return ARGV[2]
        """);

    /// <summary>Releases a lock. KEYS lock; ARGV token.</summary>
    internal static readonly RedisScript Release = new("""
        if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
        return 0
        """);

    /// <summary>Renews a lock. KEYS lock; ARGV token, px.</summary>
    internal static readonly RedisScript Extend = new("""
        if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
        return 0
        """);

    /// <summary>Logs a message and sends it, with its place in the log. KEYS log; ARGV channel, message, length.</summary>
    internal static readonly RedisScript Publish = new("""
        local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[2])
        redis.call('PUBLISH', ARGV[1], id .. ' ' .. ARGV[2])
        return id
        """);
}
