using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.AspNetCore.Tests;

/// <summary>The platform's middleware and policies, with responses kept in a cache: the same whatever tiers it has.</summary>
public abstract class OutputCacheMiddlewareContract : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, int> _runs = new();
    private readonly byte[] _bytes = new byte[200_001];
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TestApplication _application = null!; // started before each test

    private protected TestApplication Application => _application;

    /// <summary>Says which tiers keep the responses.</summary>
    protected abstract void Configure(CacheKitBuilder cache);

    public async ValueTask InitializeAsync() => _application = await StartAsync();

    private protected Task<TestApplication> StartAsync() => TestApplication.StartAsync(
        services => services.AddCacheKit("pages", Configure).AddCacheKitOutputCache("pages", options =>
        {
            options.MaximumBodySize = 300_000;
            options.DefaultExpirationTimeSpan = TimeSpan.FromMinutes(10);
            options.AddPolicy("brief", policy => policy.Expire(TimeSpan.FromSeconds(5)));
            options.AddPolicy("query", policy => policy.SetVaryByQuery("page"));
            options.AddPolicy("header", policy => policy.SetVaryByHeader("Accept-Language"));
        }),
        application =>
        {
            application.UseRouting();
            application.UseOutputCache();
            application.UseEndpoints(endpoints =>
            {
                endpoints.MapMethods("/plain", ["GET", "HEAD", "POST"], Answer).CacheOutput();
                endpoints.MapGet("/uncached", Answer);
                endpoints.MapGet("/brief", Answer).CacheOutput("brief");
                endpoints.MapGet("/query", Answer).CacheOutput("query");
                endpoints.MapGet("/header", Answer).CacheOutput("header");
                endpoints.MapGet("/tagged", Answer).CacheOutput(policy => policy.Tag("products", "all"));
                endpoints.MapGet("/cookie", context =>
                {
                    context.Response.Cookies.Append("a", "b");
                    return Answer(context);
                }).CacheOutput();
                endpoints.MapGet("/error", context =>
                {
                    context.Response.StatusCode = 500;
                    return Answer(context);
                }).CacheOutput();
                endpoints.MapGet("/etag", context =>
                {
                    context.Response.Headers.ETag = "\"v1\"";
                    return Answer(context);
                }).CacheOutput();
                endpoints.MapGet("/large", context => context.Response.WriteAsync(Run(context) + new string('x', 300_000))).CacheOutput();
                endpoints.MapGet("/bytes", async context =>
                {
                    Count(context);
                    foreach (var piece in _bytes.Chunk(10_000))
                    {
                        await context.Response.Body.WriteAsync(piece);
                    }
                }).CacheOutput();
                endpoints.MapGet("/value", Answer).CacheOutput(policy => policy.VaryByValue(context => new("half", context.Request.Query["id"] == "1" ? "first" : "second")));
                endpoints.MapGet("/unlocked", async context =>
                {
                    if (Count(context) == 3)
                    {
                        _entered.SetResult();
                    }

                    await _gate.Task;
                }).CacheOutput(policy => policy.SetLocking(false));
            });
        });

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _application.DisposeAsync();
    }

    private CacheStatistics Statistics => _application.Services.GetRequiredKeyedService<ICache>("pages").GetStatistics();

    [Fact]
    public async Task A_second_get_is_answered_from_the_cache()
    {
        var first = await GetAsync("/plain");
        (await GetAsync("/plain")).Should().Be(first);
        (await GetAsync("/uncached")).Should().NotBe(await GetAsync("/uncached"));
        Statistics.Sets.Should().Be(1);

        var response = await _application.Client.GetAsync(new Uri("/plain", UriKind.Relative));
        response.Headers.Age.Should().NotBeNull();
        response.Content.Headers.ContentType!.MediaType.Should().Be("text/plain");
    }

    [Fact]
    public async Task Get_and_head_are_kept_apart()
    {
        await GetAsync("/plain");
        var head = await SendAsync(HttpMethod.Head, "/plain");
        head.StatusCode.Should().Be(HttpStatusCode.OK);
        _runs["HEAD /plain"].Should().Be(1);
        await SendAsync(HttpMethod.Head, "/plain");
        _runs["HEAD /plain"].Should().Be(1);
        (await GetAsync("/plain")).Should().Be("GET /plain 1");
    }

    [Theory]
    [InlineData("POST", "/plain")]
    [InlineData("GET", "/cookie")]
    [InlineData("GET", "/error")]
    [InlineData("GET", "/large")]
    public async Task What_must_not_be_kept_is_not(string method, string path)
    {
        await SendAsync(new(method), path);
        await SendAsync(new(method), path);
        _runs[$"{method} {path}"].Should().Be(2);
        Statistics.Sets.Should().Be(0);
    }

    [Fact]
    public async Task A_request_with_credentials_is_neither_answered_from_the_cache_nor_kept()
    {
        await GetAsync("/plain");
        foreach (var run in new[] { 2, 3 })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/plain");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "token");
            (await (await _application.Client.SendAsync(request)).Content.ReadAsStringAsync()).Should().Be($"GET /plain {run}");
        }

        (await GetAsync("/plain")).Should().Be("GET /plain 1");
    }

    [Fact]
    public async Task Responses_vary_by_what_the_policy_names()
    {
        (await GetAsync("/query?page=1&other=1")).Should().Be("GET /query 1");
        (await GetAsync("/query?page=2&other=1")).Should().Be("GET /query 2");
        (await GetAsync("/query?page=1&other=2")).Should().Be("GET /query 1");
        (await GetAsync("/header", "de")).Should().Be("GET /header 1");
        (await GetAsync("/header", "en")).Should().Be("GET /header 2");
        (await GetAsync("/header", "de")).Should().Be("GET /header 1");
        (await GetAsync("/value?id=1")).Should().Be("GET /value 1");
        (await GetAsync("/value?id=2")).Should().Be("GET /value 2");
        (await GetAsync("/plain?a=1")).Should().NotBe(await GetAsync("/plain?a=2"), "by default all of the query counts");
    }

    [Fact]
    public async Task A_response_the_client_has_is_not_sent_again()
    {
        await GetAsync("/etag");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/etag");
        request.Headers.IfNoneMatch.Add(new("\"v1\""));
        (await _application.Client.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.NotModified);
        _runs["GET /etag"].Should().Be(1);
    }

    [Fact]
    public async Task A_client_that_takes_only_cached_responses_is_told_that_there_is_none()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/plain");
        request.Headers.CacheControl = new() { OnlyIfCached = true };
        var response = await _application.Client.SendAsync(request);
        response.StatusCode.Should().Be(HttpStatusCode.GatewayTimeout);
        _runs.Should().BeEmpty();
    }

    [Fact]
    public async Task A_long_body_comes_back_byte_for_byte()
    {
        new Random(7).NextBytes(_bytes);
        for (var i = 0; i < 3; i++)
        {
            (await _application.Client.GetByteArrayAsync(new Uri("/bytes", UriKind.Relative))).Should().Equal(_bytes);
        }

        _runs["GET /bytes"].Should().Be(1);
    }

    [Fact]
    public async Task The_lifetime_is_that_of_the_policy()
    {
        await GetAsync("/brief");
        _application.Time.Advance(TimeSpan.FromSeconds(5) - TimeSpan.FromTicks(1));
        (await GetAsync("/brief")).Should().Be("GET /brief 1");
        _application.Time.Advance(TimeSpan.FromTicks(1));
        (await GetAsync("/brief")).Should().Be("GET /brief 2");
    }

    [Fact]
    public async Task A_tag_evicts_the_responses_that_carry_it()
    {
        await GetAsync("/tagged");
        await GetAsync("/plain");
        await _application.Services.GetRequiredService<IOutputCacheStore>().EvictByTagAsync("products", default);
        (await GetAsync("/tagged")).Should().Be("GET /tagged 2");
        (await GetAsync("/plain")).Should().Be("GET /plain 1");
        await _application.Services.GetRequiredKeyedService<ICache>("pages").RemoveByTagAsync("all");
        (await GetAsync("/tagged")).Should().Be("GET /tagged 3");
    }

    [Fact(Timeout = 30_000)]
    public async Task Requests_that_are_not_to_wait_for_each_other_do_not()
    {
        var requests = Enumerable.Range(0, 3).Select(_ => GetAsync("/unlocked")).ToList();
        await _entered.Task;
        _gate.SetResult();
        await Task.WhenAll(requests);
    }

    private protected static async Task<string> GetPlainAsync(TestApplication application) => await application.Client.GetStringAsync(new Uri("/plain", UriKind.Relative));

    private int Count(HttpContext context) =>
        _runs.AddOrUpdate($"{context.Request.Method} {context.Request.Path}", 1, static (_, runs) => runs + 1);

    private string Run(HttpContext context) => $"{context.Request.Method} {context.Request.Path} {Count(context)}";

    private Task Answer(HttpContext context)
    {
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync(Run(context));
    }

    private async Task<string> GetAsync(string path, string? language = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (language is not null)
        {
            request.Headers.AcceptLanguage.Add(new(language));
        }

        return await (await _application.Client.SendAsync(request)).Content.ReadAsStringAsync();
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, path);
        return await _application.Client.SendAsync(request);
    }
}
