//! The steps that Redis takes as one: scripts, each of one hash slot. What stands higher or longer always stays, and
//! what is not ours to understand counts as hard. Keys are read in part, and what is beyond all bounds (a time to live
//! of more than a century, a cutoff beyond 2^53, another type) is written over: others may have written there.

/// Raises a token or a session. KEYS: the entry, and of a token the record of its rotation.
/// ARGV: `soft` or `hard`, milliseconds to live, and `1` to write what stands already: only what is written can be
/// waited for at the replicas. Returns the record.
pub(super) const RAISE: &str = r"
local level, ttl, touch = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local left, longest = redis.call('PTTL', KEYS[1]), 3155760000000
if left == -2 then
  redis.call('SET', KEYS[1], level, 'PX', ttl)
else
  local before = redis.pcall('GETRANGE', KEYS[1], 0, 15)
  if before ~= 'soft' then level = 'hard' end
  if left == -1 then
    if before ~= level or touch then redis.call('SET', KEYS[1], level) end
  elseif before ~= level or left < ttl or left > longest then
    redis.call('SET', KEYS[1], level, 'PX', math.max(math.min(left, longest), ttl))
  elseif touch then
    redis.call('PEXPIRE', KEYS[1], left)
  end
end
local record = KEYS[2] and redis.pcall('GETRANGE', KEYS[2], 0, 524287)
return type(record) == 'string' and record ~= '' and record
";

/// Raises the cutoffs of a subject or a realm. KEYS: the entry. ARGV: `revoked` or `flagged`; the applications that are
/// known, each with its start in milliseconds and its sequence number; the deadline in seconds; now in milliseconds;
/// `1` as of [`RAISE`]; and the starts to apply anew: each gets a number above all before it, so no token carries it
/// yet. Returns what the entry holds now. Applications are joined as [`Cutoff`](jwtkeeper_core::denylist::Cutoff)
/// joins them.
pub(super) const CUTOFF: &str = r#"
local most, now = 9007199254740991, tonumber(ARGV[4])
local function possible(value, least, limit)
  return type(value) == 'number' and value >= least and value <= limit
end
local function join(steps)
  table.sort(steps, function(a, b)
    if a[1] ~= b[1] then return a[1] > b[1] end
    return a[2] > b[2]
  end)
  local joined, last = {}, 0
  for _, step in ipairs(steps) do
    if step[2] > last then
      last = step[2]
      joined[#joined + 1] = step
    end
  end
  while #joined > 8 do
    table.remove(joined)
    joined[#joined] = { joined[#joined][1], last }
  end
  return joined, last
end
local before = redis.pcall('GETRANGE', KEYS[1], 0, 2047)
if type(before) ~= 'string' then before = '' end
local readable, marks = pcall(cjson.decode, before)
if not readable or type(marks) ~= 'table' then marks = {} end
local members, latest = {}, 0
for _, which in ipairs({ 'revoked', 'flagged' }) do
  local mark = type(marks[which]) == 'table' and marks[which] or {}
  local steps, deadline = {}, possible(mark['until'], 0, 2 ^ 43) and mark['until'] or 0
  for _, step in ipairs(type(mark['steps']) == 'table' and mark['steps'] or {}) do
    if type(step) == 'table' and possible(step[1], 0, most) and possible(step[2], 1, most) then
      steps[#steps + 1] = { step[1], step[2] }
    end
  end
  local last
  steps, last = join(steps)
  if which == ARGV[1] then
    for _, step in ipairs(cjson.decode(ARGV[2])) do
      steps[#steps + 1] = step
      last = math.max(last, step[2])
    end
    for _, start in ipairs(cjson.decode(ARGV[6])) do
      last = math.min(last + 1, most)
      steps[#steps + 1] = { start, last }
    end
    steps = join(steps)
    deadline = math.max(deadline, tonumber(ARGV[3]))
  end
  if #steps > 0 then
    for i, step in ipairs(steps) do steps[i] = string.format('[%.0f,%.0f]', step[1], step[2]) end
    members[#members + 1] = string.format('"%s":{"steps":[%s],"until":%.0f}', which, table.concat(steps, ','), deadline)
    latest = math.max(latest, deadline)
  end
end
local after = '{' .. table.concat(members, ',') .. '}'
local ttl = latest * 1000 - now
local left = redis.call('PTTL', KEYS[1])
if after ~= before or ARGV[5] == '1' or (left >= 0 and left + 60000 < ttl) then
  redis.call('SET', KEYS[1], after, 'PX', math.max(ttl, 1000))
end
return after
"#;

/// Decides a rotation. KEYS: the old token's entry, and the record. ARGV: the record, milliseconds to live, `1` as of
/// [`RAISE`], the SHA-1 of a record that cannot be read, and the latest time to run, in milliseconds of the server's
/// clock: a server that stalled must not decide what its caller gave up. Returns the record that counts, `false` where
/// the token is revoked, or the server's time where it is too late.
pub(super) const ROTATE: &str = r"
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if now > tonumber(ARGV[5]) then return now end
local record = redis.pcall('GETRANGE', KEYS[2], 0, 524287)
if type(record) == 'string' and record ~= '' and redis.sha1hex(record) ~= ARGV[4] then
  local left = redis.call('PTTL', KEYS[2])
  if ARGV[3] == '1' and left > 0 then redis.call('PEXPIRE', KEYS[2], left) end
  return record
end
local left, ttl = redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])
if left ~= -2 and redis.pcall('GETRANGE', KEYS[1], 0, 15) ~= 'soft' then return false end
left = math.min(left, 3155760000000)
redis.call('SET', KEYS[2], ARGV[1], 'PX', ttl)
if left == -1 then redis.call('SET', KEYS[1], 'hard') else redis.call('SET', KEYS[1], 'hard', 'PX', math.max(left, ttl)) end
return ARGV[1]
";

/// Puts back a rotation that is known to have been decided, and the end of its grace. KEYS as of [`ROTATE`]. ARGV: the
/// record, empty where it is gone; milliseconds to live; `1` as of [`RAISE`]; the digest as of [`ROTATE`]; the end of
/// the grace, empty until the successor is handed out; the successor; the seal on the end, as JSON. The end is written
/// into the record of this successor, unless it has an earlier one. The entry is written with it: only what happens to
/// entries is news. It is written by SET: the smallest ACL has no PEXPIRE.
pub(super) const RESTORE: &str = r#"
local ttl, touch = tonumber(ARGV[2]), ARGV[3] == '1'
local record = redis.pcall('GETRANGE', KEYS[2], 0, 524287)
if type(record) ~= 'string' or record == '' or redis.sha1hex(record) == ARGV[4] then
  record = ARGV[1]
  if record ~= '' then
    redis.call('SET', KEYS[2], record, 'PX', ttl)
    touch = true
  end
elseif ARGV[5] ~= '' then
  local ends, rest, successor = string.match(record, '^{"grace_until":([^,]*),"grace_seal":[^,]*(,"successor":"([^"]*)".*)$')
  if not successor then
    -- Of another shape than daemons write.
    record = ARGV[1]
    redis.call('SET', KEYS[2], record, 'PX', record ~= '' and ttl or 1)
    touch = true
  elseif successor == ARGV[6] and (not tonumber(ends) or tonumber(ends) > tonumber(ARGV[5])) then
    local lives = math.min(redis.call('PTTL', KEYS[2]), 3155760000000)
    if lives <= 0 then lives = ttl end
    record = '{"grace_until":' .. ARGV[5] .. ',"grace_seal":' .. ARGV[7] .. rest
    redis.call('SET', KEYS[2], record, 'PX', lives)
    touch = true
  end
end
local left = math.min(redis.call('PTTL', KEYS[1]), 3155760000000)
local hard = redis.pcall('GETRANGE', KEYS[1], 0, 15) == 'hard'
if left == -1 and not hard then
  redis.call('SET', KEYS[1], 'hard')
elseif left ~= -1 and (not hard or left < ttl) then
  redis.call('SET', KEYS[1], 'hard', 'PX', math.max(left, ttl))
elseif left > 0 and touch then
  redis.call('SET', KEYS[1], 'hard', 'PX', left)
end
return record
"#;

/// Looks at the sentinel of a data set, and makes one where there is none. KEYS: the sentinel. ARGV: the id of a new
/// one, this daemon's, `1` to announce its repair, milliseconds that an announcement lasts, and that a data set is new
/// for; the id and the count that this daemon saw last. Returns the id (empty where none can be written), the count,
/// `1` if the data set was replaced since, the number of others that announce repairs, and milliseconds for which it
/// is still new.
pub(super) const DATASET: &str = r"
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local me, lasts, grace, known, last = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local text = redis.pcall('GETRANGE', KEYS[1], 0, 65535)
local id, count, new, list
if type(text) == 'string' and #text < 65536 then
  id, count, new, list = string.match(text, '^(%x+) (%d+) (%d+)(.*)$')
end
count = tonumber(count)
local there = id and count < 2 ^ 52
if not there then id, count, new, list = ARGV[1], 0, now + grace, '' end
if id == known and count < last then id, new = ARGV[1], now + grace end
local replaced = known ~= '' and id ~= known
local kept, others = '', 0
for name, deadline in string.gmatch(list, ';(%x+) (%d+)') do
  deadline = tonumber(deadline)
  if name ~= me and deadline > now and deadline <= now + 60000 then
    kept, others = kept .. string.format(';%s %.0f', name, deadline), others + 1
  end
end
if ARGV[3] == '1' or replaced then kept = kept .. string.format(';%s %.0f', me, now + lasts) end
new = math.min(tonumber(new), now + 60000)
local written = redis.pcall('SET', KEYS[1], string.format('%s %.0f %.0f%s', id, count + 1, new, kept))
if written.err and not there then id = '' end
if not written.err then count = count + 1 end
return { id, string.format('%.0f', count), replaced and 1 or 0, others, math.max(new - now, 0) }
";

/// All of them.
pub(super) const ALL: [&str; 5] = [RAISE, CUTOFF, ROTATE, RESTORE, DATASET];
