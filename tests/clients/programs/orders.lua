-- wrk: a new order with each request, and how many were answered.

local number = 0

function request()
    number = number + 1
    local order = string.format('{"id":"wrk-%d","value":1}', number)
    return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, order)
end

function done(summary)
    io.write(string.format("answered %d\n", summary.requests))
end
