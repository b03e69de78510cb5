-- Load for wrk: POST /submit with an order whose id nobody has sent before.
--
--   wrk -t1 -c64 -d10s --latency -s perf/orders.lua http://127.0.0.1:8080
--   wrk … -s perf/orders.lua http://127.0.0.1:8080 -- prefer=respond-async extra=500
--
-- Options, after `--` as key=value, or in the environment as ORDERS_LOAD_<KEY>:
--   prefer  the value of a Prefer header, such as respond-async (none)
--   value   the order's value, a JSON number (100.50)
--   extra   bytes of one more member, "note" (0: none)
--   path    where to send it (/submit)
--   method  POST; with GET no order is sent, and each request is the same (POST)
--   token   a bearer token, sent in Authorization (none)
--   close   on: a new connection for each request (off)
--   pause   milliseconds that a connection waits between a reply and its next
--           order, on average (0)
--   count   on: count replies by status class. Costs the generator a callback
--           for each reply, so measurements turn it off; wrk itself counts
--           those above 399 either way (on)
--   answers a file to which the body of each 2xx reply is added: what was
--           promised, to be compared with what is there (none)
--
-- An id is <start in seconds>-<64 random bits>-<thread>-<counter>, all in hex:
-- at most 64 characters of 0-9, a-f and -. The counter tells the requests of a
-- thread apart, the number threads, random bits and start runs. All bodies
-- of a run have the same length, so that runs compare.

local options = {
   prefer = "", value = "100.50", extra = "0", path = "/submit", method = "POST", close = "off", count = "on",
   pause = "0", answers = "", token = "",
}
local CLASSES = { "1xx", "2xx", "3xx", "4xx", "5xx" }

local threads = {}

-- Runs in wrk's main state, once for each thread.
function setup(thread)
   thread:set("number", #threads)
   threads[#threads + 1] = thread
end

local function fail(message)
   io.stderr:write("orders.lua: ", message, "\n")
   os.exit(2)
end

local function read_options(args)
   for key in pairs(options) do
      options[key] = os.getenv("ORDERS_LOAD_" .. key:upper()) or options[key]
   end
   for _, arg in ipairs(args) do
      local key, value = arg:match("^(%w+)=(.*)$")
      if not key or not options[key] then
         fail("can't read the option '" .. arg .. "': want prefer=, value=, extra=, path=, method=POST|GET, pause= "
            .. "or close=, count=on|off, answers=")
      end
      options[key] = value
   end
   local extra = tonumber(options.extra)
   if not extra or extra < 0 or extra % 1 ~= 0 then
      fail("extra must be a number of bytes, not '" .. options.extra .. "'")
   end
   local pause = tonumber(options.pause)
   if not pause or pause < 0 then
      fail("pause must be milliseconds, not '" .. options.pause .. "'")
   end
   if options.method ~= "POST" and options.method ~= "GET" then
      fail("method must be POST or GET, not '" .. options.method .. "'")
   end
   for _, key in ipairs({ "count", "close" }) do
      if options[key] ~= "on" and options[key] ~= "off" then
         fail(key .. " must be on or off, not '" .. options[key] .. "'")
      end
   end
end

local function random_hex(bytes)
   local source = io.open("/dev/urandom", "rb")
   local random = source and source:read(bytes)
   if not random then
      fail("can't read /dev/urandom, and ids would repeat without it")
   end
   source:close()
   return (random:gsub(".", function(byte) return string.format("%02x", byte:byte()) end))
end

-- Runs in each thread's own state.
function init(args)
   read_options(args)

   local id = string.format("%08x-%s-%x-", os.time(), random_hex(8), number)
   local before = '{"id":"' .. id
   local after = '","value":' .. options.value
   local extra = tonumber(options.extra)
   if extra > 0 then
      after = after .. ',"note":"' .. string.rep("x", extra) .. '"'
   end
   after = after .. "}"

   local head = {
      options.method .. " " .. options.path .. " HTTP/1.1",
      "Host: " .. wrk.headers["Host"],
   }
   if options.method == "POST" then
      head[#head + 1] = "Content-Type: application/json"
      head[#head + 1] = "Content-Length: " .. #before + 10 + #after
   end
   if options.close == "on" then
      head[#head + 1] = "Connection: close"
   end
   if options.token ~= "" then
      head[#head + 1] = "Authorization: Bearer " .. options.token
   end
   if options.prefer ~= "" then
      head[#head + 1] = "Prefer: " .. options.prefer
   end
   head = table.concat(head, "\r\n") .. "\r\n\r\n"
   before = head .. before

   local counter = 0
   local format = string.format
   request = function()
      counter = counter + 1
      return before .. format("%010x", counter) .. after
   end
   if options.method == "GET" then
      request = function()
         return head
      end
   end

   local pause = tonumber(options.pause)
   if pause > 0 then
      -- Evenly spread around the mean, so that connections fall out of step.
      delay = function()
         return math.random(0, 2 * pause)
      end
   end

   seen1, seen2, seen3, seen4, seen5 = 0, 0, 0, 0, 0
   local answers
   if options.answers ~= "" then
      local why
      answers, why = io.open(options.answers, "a")
      if not answers then
         fail(why)
      end
      -- Whole lines, since all threads add to it.
      answers:setvbuf("line")
   end
   if options.count == "on" or answers then
      response = function(status, _, body)
         if answers and status >= 200 and status < 300 then
            answers:write(body) -- with its line end
         end
         if status < 200 then seen1 = seen1 + 1
         elseif status < 300 then seen2 = seen2 + 1
         elseif status < 400 then seen3 = seen3 + 1
         elseif status < 500 then seen4 = seen4 + 1
         else seen5 = seen5 + 1 end
      end
   end
end

-- Runs in the main state at the end. Latencies are in microseconds.
function done(summary, latency)
   local classes, counted = {}, 0
   for class, name in ipairs(CLASSES) do
      local sum = 0
      for _, thread in ipairs(threads) do
         sum = sum + (thread:get("seen" .. class) or 0)
      end
      counted = counted + sum
      classes[class] = string.format('"%s":%d', name, sum)
      if sum > 0 then
         print(string.format("  %s: %d", name, sum))
      end
   end
   if counted == 0 then
      print(string.format("  replies: %d, of them above 399: %d", summary.requests, summary.errors.status))
   end
   local p50, p99, p999 = latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
   print(string.format("  latency: p50 %.0f us, p99 %.0f us, p99.9 %.0f us", p50, p99, p999))
   -- For programs: one line.
   print(string.format(
      'orders.json {"requests":%d,"duration_us":%d,"p50_us":%.0f,"p99_us":%.0f,"p999_us":%.0f,"max_us":%.0f,'
         .. '"above_399":%d,"socket_errors":%d,"timeouts":%d,"counted":%d,%s}',
      summary.requests, summary.duration, p50, p99, p999, latency.max,
      summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write,
      summary.errors.timeout, counted, table.concat(classes, ",")))
end
