// A web API with two caches: one in memory, one on disk.
//
//   dotnet run --project samples/CacheKit.WebApi
//
//   curl -i localhost:5080/factorial/100                    computed, kept in memory; the second time it is a hit
//   curl -i localhost:5080/data --data-binary @README.md    reported on, kept on disk; a hit also after a restart
//   curl -i localhost:5080/stats                            what the caches have done since the start
//   curl -i -X POST localhost:5080/clear-cache              both caches are empty
//
// The header Cache-Status of an answer says whether it came from a cache. CacheKit.WebApi.http has the same requests for an editor.
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using CacheKit;
using CacheKit.Samples.WebApi;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

var builder = WebApplication.CreateBuilder(args);

// 1. The cache without a name is injected as ICache. It is bounded by bytes, since factorials differ much in size.
builder.Services.AddCacheKit(cache => cache
    .UseMemory(memory => memory.MaximumBytes = 64 << 20)
    .WithDefaults(new() { Expiration = TimeSpan.FromHours(1) }));

// 2. A cache with a name is injected with that key. This one is on disk alone, so that every hit shows what the disk does; without
//    WithoutMemory() it would have memory in front. Several processes may share the directory.
var directory = Path.Combine(builder.Environment.ContentRootPath, builder.Configuration["CacheDirectory"] ?? "cache");
builder.Services.AddCacheKit("reports", cache => cache
    .WithoutMemory()
    .UseDisk(directory, disk => disk.MaximumBytes = 256 << 20)
    .WithDefaults(new() { Expiration = TimeSpan.FromDays(30) }));

builder.Services.AddProblemDetails();
builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.Converters.Add(new JsonStringEnumConverter()));
var app = builder.Build();
app.UseExceptionHandler(new ExceptionHandlerOptions
{
    // A body that is too large, say, is a problem of the client's and no error of ours.
    StatusCodeSelector = exception => (exception as BadHttpRequestException)?.StatusCode ?? StatusCodes.Status500InternalServerError,
    SuppressDiagnosticsCallback = failure => failure.Exception is BadHttpRequestException,
});
app.UseStatusCodePages();

// 3. Cached in memory, by the number. However many ask for one at the same time, it is computed once.
app.MapGet("/factorial/{n}", async Task<Results<Ok<Factorial>, ProblemHttpResult>> (
    string n, ICache cache, HttpResponse response, CancellationToken cancellationToken) =>
{
    if (!int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > Factorial.Largest)
    {
        return Refused($"'{n}' is not a whole number from 0 to {Factorial.Largest}.");
    }

    var isHit = true;
    var factorial = await cache.GetOrCreateAsync(
        $"factorial:{number}",
        token =>
        {
            isHit = false;
            return ValueTask.FromResult(Factorial.Compute(number, token));
        },
        cancellationToken: cancellationToken);
    Show(response, cache, isHit);
    return TypedResults.Ok(factorial);
});

// 4. Cached on disk, by what was sent: the same bytes are the same key, whoever sends them and whatever they call it. What is kept is
//    the report, not the body.
app.MapPost("/data", async Task<Results<Ok<TextReport>, ProblemHttpResult>> (
    HttpRequest request, [FromKeyedServices("reports")] ICache reports, CancellationToken cancellationToken) =>
{
    using var body = new MemoryStream();
    await request.Body.CopyToAsync(body, cancellationToken);
    if (body.Length == 0)
    {
        return Refused("The request has no body, so there is nothing to report on.");
    }

    var sha256 = Convert.ToHexStringLower(SHA256.HashData(body.GetBuffer().AsSpan(0, (int)body.Length)));
    var isHit = true;
    var report = await reports.GetOrCreateAsync(
        sha256,
        token =>
        {
            isHit = false;
            return ValueTask.FromResult(TextReport.Create(sha256, body.GetBuffer().AsSpan(0, (int)body.Length), token));
        },
        cancellationToken: cancellationToken);
    Show(request.HttpContext.Response, reports, isHit);
    return TypedResults.Ok(report);
}).WithMetadata(new RequestSizeLimitAttribute(10 << 20)); // 413 beyond

// 5. When this has been answered, no request gets what was cached before, also from a computation that was running meanwhile.
//    An application that others can reach would ask who is calling: RequireAuthorization().
app.MapPost("/clear-cache", async (ICache cache, [FromKeyedServices("reports")] ICache reports, CancellationToken cancellationToken) =>
{
    await cache.ClearAsync(cancellationToken);
    await reports.ClearAsync(cancellationToken);
    return TypedResults.NoContent();
});

// 6. Counts since the start of this process; what is on disk from earlier ones is not counted until it is read.
app.MapGet("/stats", (ICache cache, [FromKeyedServices("reports")] ICache reports) =>
    TypedResults.Ok(new Dictionary<string, CacheStatistics> { [cache.Name] = cache.GetStatistics(), [reports.Name] = reports.GetStatistics() }));

app.Run();

static ProblemHttpResult Refused(string reason) => TypedResults.Problem(reason, statusCode: StatusCodes.Status400BadRequest);

// As RFC 9211 has it. Who waited while another request computed the value is a hit, too.
static void Show(HttpResponse response, ICache cache, bool isHit) =>
    response.Headers["Cache-Status"] = $"{cache.Name}; {(isHit ? "hit" : "fwd=miss")}";
