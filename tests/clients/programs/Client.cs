// A client with .NET's HttpClient: Client.dll URL SCENARIO...
//
// SSL_CERT_FILE names a certificate to trust, TOKEN is sent with each request.

using System;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

// docs: submit
static class Orders
{
    /// Sends an order until it has an outcome, which it returns. Its id makes that safe.
    public static async Task<string> Submit(HttpClient http, string url, string order)
    {
        var pause = TimeSpan.FromMilliseconds(100);
        for (var attempt = 0; attempt < 20; attempt++)
        {
            var wait = pause;
            try
            {
                var content = new StringContent(order, Encoding.UTF8, "application/json");
                using (var reply = await http.PostAsync(url + "/submit", content))
                {
                    var body = await reply.Content.ReadAsStringAsync();
                    switch ((int)reply.StatusCode)
                    {
                        case 200: case 201: case 422:
                            return body;
                        case 429: case 503:
                            wait = reply.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(1);
                            break;
                        case 202:
                            break; // taken: asked again, the service waits for the outcome
                        default:
                            throw new InvalidOperationException(body);
                    }
                }
            }
            catch (HttpRequestException) { } // taken or not: sent again, it is the same order
            catch (TaskCanceledException) { } // the same: HttpClient.Timeout is over
            await Task.Delay(wait);
            pause = TimeSpan.FromMilliseconds(Math.Min(2 * pause.TotalMilliseconds, 3000));
        }
        throw new TimeoutException(order);
    }
}
// docs: end

/// A body whose length isn't known: it is sent in chunks.
class Streamed : HttpContent
{
    readonly Func<Stream, Task> write;

    public Streamed(Func<Stream, Task> write)
    {
        this.write = write;
        Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext context) => write(stream);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

static class Client
{
    static string url;
    static HttpClient http;

    static void Check(bool holds, object what)
    {
        if (!holds) throw new Exception(what.ToString());
    }

    static HttpContent Json(string order) => new StringContent(order, Encoding.UTF8, "application/json");

    static async Task<HttpResponseMessage> Send(string method, string path, HttpContent body = null, Action<HttpRequestHeaders> headers = null)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), url + path) { Content = body };
        headers?.Invoke(request.Headers);
        return await http.SendAsync(request);
    }

    static async Task<string> Is(HttpResponseMessage reply, int status, string type, string part)
    {
        var body = await reply.Content.ReadAsStringAsync();
        var found = reply.Content.Headers.ContentType?.ToString();
        Check((int)reply.StatusCode == status && found == type && body.Contains(part), reply + body);
        return body;
    }

    static async Task Submits(string id)
    {
        var outcome = await Orders.Submit(http, url, "{\"id\":\"" + id + "\",\"value\":\"100.50\"}");
        Check(outcome.StartsWith("{\"id\":\"" + id + "\",\"status\":\"processed\",\"seq\":"), outcome);
    }

    static async Task order()
    {
        var reply = await Send("POST", "/submit", Json("{\"id\":\"one\",\"value\":100.50}"));
        await Is(reply, 201, "application/json", "\"status\":\"processed\"");
    }

    static async Task duplicate()
    {
        Action<HttpRequestHeaders> key = headers => headers.Add("Idempotency-Key", "\"key-1\"");
        await Is(await Send("POST", "/submit", Json("{\"value\":\"7\"}"), key), 201, "application/json", "key-1");
        var again = await Send("POST", "/submit", Json("{\"value\":\"7\"}"), key);
        await Is(again, 200, "application/json", "\"duplicate\":true");
        Check(again.Headers.GetValues("Idempotent-Replayed").Single() == "true", again);
    }

    static async Task invalid()
    {
        var reply = await Send("POST", "/submit", Json("{\"id\":\"no-value\"}"));
        var body = await Is(reply, 400, "application/problem+json", "\"type\":\"/problems/invalid-order\"");
        Check(body.Contains("\"retry_safe\":false"), body);
    }

    static async Task Lines(string name, int count, Stream to)
    {
        for (var at = 0; at < count; at += 50)
        {
            var lines = Enumerable.Range(at, 50).Select(i => "{\"id\":\"" + name + "-" + i + "\",\"value\":" + (i + 1) + "}\n");
            var piece = Encoding.UTF8.GetBytes(string.Concat(lines));
            await to.WriteAsync(piece, 0, piece.Length);
            await to.FlushAsync();
        }
    }

    static async Task Batch(int count, HttpContent body)
    {
        var results = await Is(await Send("POST", "/submit", body), 200, "application/x-ndjson", "processed");
        Check(Regex.Matches(results, "\"status\":\"processed\"").Count == count, results);
    }

    static Task stream() => Batch(2000, new Streamed(to => Lines("s", 2000, to)));

    static async Task gzip()
    {
        var body = new Streamed(async to =>
        {
            using (var encoder = new GZipStream(to, CompressionLevel.Fastest, true))
                await Lines("z", 500, encoder);
        });
        body.Headers.ContentEncoding.Add("gzip");
        await Batch(500, body);
    }

    static long after = 0;

    static async Task<string> Page(int wait)
    {
        var reply = await Send("GET", "/orders?after=" + after + "&wait=" + wait);
        Check(reply.Headers.GetValues("Orders-Ledger-Id").Single().Length == 32, reply);
        var body = await Is(reply, 200, "application/x-ndjson", "");
        foreach (Match seq in Regex.Matches(body, "(?m)^{\"seq\":(\\d+),"))
            Check(long.Parse(seq.Groups[1].Value) == ++after, body);
        return body;
    }

    static async Task feed()
    {
        while (await Page(0) != "") { }
        var waited = Page(60);
        await Task.Delay(100); // most likely it waits by now
        await Submits("awaited");
        var page = await waited;
        Check(page.Contains("\"id\":\"awaited\"") && page.IndexOf('\n') == page.Length - 1, page);
    }

    static async Task head()
    {
        var reply = await Send("HEAD", "/openapi.json");
        Check((int)reply.StatusCode == 200 && reply.Content.Headers.ContentLength > 1000, reply);
        Check(await reply.Content.ReadAsStringAsync() == "", reply);
        reply = await Send("OPTIONS", "/submit");
        await Is(reply, 405, "application/problem+json", "method");
        Check(reply.Content.Headers.Allow.Single() == "POST", reply);
    }

    /// .NET sends the body after a second without an interim reply: none of these takes that.
    static async Task expect()
    {
        foreach (var size in new[] { 30000, 200000, 40000 })
        {
            var body = Json("{\"id\":\"x-" + size + "\",\"value\":1,\"p\":\"" + new string('p', size) + "\"}");
            var reply = await Send("POST", "/submit", body, headers => headers.ExpectContinue = true);
            Check((int)reply.StatusCode == (size > 65536 ? 413 : 201), reply);
        }
    }

    static async Task reuse()
    {
        for (var i = 0; i < 1000; i++)
            await Is(await Send("POST", "/submit", Json("{\"id\":\"r-" + i + "\",\"value\":1}")), 201, "application/json", "processed");
    }

    /// An order on a connection closed meanwhile, then some that may cross with its end.
    static async Task idle()
    {
        var timeout = int.Parse(Environment.GetEnvironmentVariable("IDLE_TIMEOUT").Replace("ms", ""));
        for (var i = 0; i < 2; i++)
        {
            await Is(await Send("POST", "/submit", Json("{\"id\":\"i-" + i + "\",\"value\":1}")), 201, "application/json", "processed");
            await Task.Delay(4 * timeout);
        }
        for (var i = 2; i < 7; i++)
        {
            await Submits("i-" + i);
            await Task.Delay(timeout);
        }
    }

    static async Task retries()
    {
        for (var i = 0; i < 2; i++) await Submits("q-" + i);
    }

    static Task together() => Task.WhenAll(Enumerable.Range(0, 6).Select(i => Submits("t-" + i)));

    static async Task restart()
    {
        for (var i = 0; i < 300; i++)
        {
            if (i == 100) Console.WriteLine("restart");
            await Submits("a-" + i);
        }
    }

    static async Task Run(string[] args)
    {
        url = args[0];
        http = new HttpClient();
        var token = Environment.GetEnvironmentVariable("TOKEN");
        if (token != null)
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        foreach (var name in args.Skip(1))
        {
            var all = System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static;
            await (Task)typeof(Client).GetMethod(name, all).Invoke(null, null);
            Console.WriteLine("ok " + name);
        }
    }

    static void Main(string[] args) => Run(args).GetAwaiter().GetResult();
}
