-- Opens a group: drops what has expired, and offers what the operations need.
-- KEYS: members, leases, slots, version. ARGV: channel, how long to keep idle keys in ms, ...
local MEMBERS, LEASES, SLOTS, VERSION = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local CHANNEL, IDLE = ARGV[1], tonumber(ARGV[2])

local gone = {}      -- names of members that this call removes
local put = nil      -- the record of a member that this call adds or changes
local moved = false  -- whether a slot has got another holder, or none
local holders = {}   -- slot -> node
local width = 0      -- number of slots, as the last claim said

local function drop_member(node)
  redis.call('ZREM', LEASES, node)
  if redis.call('HDEL', MEMBERS, node) == 1 then gone[#gone + 1] = node end
end

local function drop_slot(slot)
  redis.call('HDEL', SLOTS, int(slot))
  holders[slot] = nil
  moved = true
end

local function hold_slot(slot, node, lease)
  redis.call('HSET', SLOTS, int(slot), int(now + lease) .. ' ' .. node)
  if holders[slot] ~= node then moved = true end
  holders[slot] = node
end

local function slot_of(node)
  for slot, holder in pairs(holders) do
    if holder == node then return slot end
  end
  return nil
end

local function drop_slot_of(node)
  local slot = slot_of(node)
  if slot then drop_slot(slot) end
end

local function slots_json()
  local last = -1
  for slot in pairs(holders) do last = math.max(last, slot) end
  local names = {}
  for slot = 0, last do names[#names + 1] = '"' .. (holders[slot] or '') .. '"' end
  return '[' .. table.concat(names, ',') .. ']'
end

local function version() return redis.call('GET', VERSION) or '0' end

-- A counter that starts at the time in microseconds goes on growing when Redis
-- has lost everything.
local function next_version()
  redis.call('SET', VERSION, int(tonumber(time[1]) * 1000000 + tonumber(time[2])), 'NX')
  return int(redis.call('INCR', VERSION))
end

-- Announces what this call changed as one delta; a call that changed nothing
-- announces nothing.
local function publish()
  if #gone == 0 and not put and not moved then return end
  local delta = {'"version":' .. next_version()}
  if #gone > 0 then delta[#delta + 1] = '"gone":["' .. table.concat(gone, '","') .. '"]' end
  if put then delta[#delta + 1] = '"put":' .. put end
  if moved then delta[#delta + 1] = '"slots":' .. slots_json() end
  redis.call('PUBLISH', CHANNEL, '{' .. table.concat(delta, ',') .. '}')
  keep(VERSION, IDLE)
end

local function touch()
  for _, key in ipairs(KEYS) do keep(key, IDLE) end
end

local held = redis.call('HGETALL', SLOTS)
local lapsed = {}
for i = 1, #held, 2 do
  if held[i] == 'width' then
    width = tonumber(held[i + 1])
  else
    local deadline, node = string.match(held[i + 1], '^(%d+) (.+)$')
    holders[tonumber(held[i])] = node
    if tonumber(deadline) <= now then lapsed[#lapsed + 1] = tonumber(held[i]) end
  end
end
for _, slot in ipairs(lapsed) do drop_slot(slot) end
for _, node in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', int(now))) do
  drop_member(node)
  drop_slot_of(node)
end
