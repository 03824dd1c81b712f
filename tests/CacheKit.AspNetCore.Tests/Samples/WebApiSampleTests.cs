using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CacheKit.AspNetCore.Tests.Samples;

/// <summary>The web API sample, asked as a client would ask it.</summary>
public sealed class WebApiSampleTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-webapi-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_factorial_is_computed_once_and_then_served_from_memory()
    {
        await using var application = new Application(_folder);
        var client = application.Client;

        using var first = await client.GetAsync("/factorial/25");
        using var second = await client.GetAsync("/factorial/25");

        CacheStatus(first).Should().Be("default; fwd=miss");
        CacheStatus(second).Should().Be("default; hit");
        foreach (var response in new[] { first, second })
        {
            var factorial = await ReadAsync(response);
            factorial["value"]!.GetValue<string>().Should().Be("15511210043330985984000000");
            factorial["digits"]!.GetValue<int>().Should().Be(26);
        }
    }

    [Theory]
    [InlineData("0", "1")]
    [InlineData("1", "1")]
    [InlineData("5", "120")]
    public async Task Small_factorials_are_right(string n, string value)
    {
        await using var application = new Application(_folder);
        var client = application.Client;
        (await ReadAsync(await client.GetAsync($"/factorial/{n}")))["value"]!.GetValue<string>().Should().Be(value);
    }

    [Fact]
    public async Task The_largest_factorial_is_served_and_the_next_one_refused()
    {
        await using var application = new Application(_folder);
        var client = application.Client;
        (await ReadAsync(await client.GetAsync("/factorial/10000")))["digits"]!.GetValue<int>().Should().Be(35_660);
        (await client.GetAsync("/factorial/10001")).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("1e3")]
    [InlineData("ten")]
    [InlineData("%20")]
    [InlineData("99999999999999999999")]
    public async Task What_is_no_number_is_refused_with_a_reason(string n)
    {
        await using var application = new Application(_folder);
        var client = application.Client;

        using var response = await client.GetAsync($"/factorial/{n}");

        response.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await ReadAsync(response))["detail"]!.GetValue<string>().Should().Contain(Uri.UnescapeDataString(n)).And.Contain("from 0 to 10000");
        (await StatisticsAsync(client, "default"))["misses"]!.GetValue<long>().Should().Be(0, "nothing was looked up");
    }

    [Fact]
    public async Task The_same_body_is_reported_on_once_and_then_served_from_disk_also_after_a_restart()
    {
        const string Text = "one two\nthree TWO\n";
        JsonNode first;
        await using (var application = new Application(_folder))
        {
            var client = application.Client;
            using var response = await PostAsync(client, Text);
            CacheStatus(response).Should().Be("reports; fwd=miss");
            first = await ReadAsync(response);

            using var again = await PostAsync(client, Text);
            CacheStatus(again).Should().Be("reports; hit");
            (await ReadAsync(again)).ToJsonString().Should().Be(first.ToJsonString());
            (await StatisticsAsync(client, "reports"))["tiers"]!.AsArray().Should().ContainSingle()
                .Which!["hits"]!.GetValue<long>().Should().Be(1, "there is no tier but the disk");
        }

        await using (var application = new Application(_folder))
        {
            var client = application.Client;
            using var response = await PostAsync(client, Text);
            CacheStatus(response).Should().Be("reports; hit");
            (await ReadAsync(response)).ToJsonString().Should().Be(first.ToJsonString(), "not even the time it was made may differ");
            (await StatisticsAsync(client, "reports"))["factoryRuns"]!.GetValue<long>().Should().Be(0);
        }

        first["sha256"]!.GetValue<string>().Should().Be("ed79d2857c8928e2be2bbd83f988c41aab26b9ed5dfb4cb61230bc73db981b5a");
        first["bytes"]!.GetValue<int>().Should().Be(18);
        first["lines"]!.GetValue<int>().Should().Be(2);
        first["words"]!.GetValue<int>().Should().Be(4);
        first["frequent"]![0]!.ToJsonString().Should().Be("""{"word":"two","count":2}""");
    }

    [Fact]
    public async Task Bodies_that_differ_in_one_byte_have_reports_of_their_own()
    {
        await using var application = new Application(_folder);
        var client = application.Client;
        using var first = await PostAsync(client, "one");
        using var second = await PostAsync(client, "one ");
        CacheStatus(second).Should().Be("reports; fwd=miss");
        (await ReadAsync(second))["bytes"]!.GetValue<int>().Should().Be(4);
    }

    [Fact]
    public async Task A_request_without_a_body_is_refused()
    {
        await using var application = new Application(_folder);
        var client = application.Client;
        using var response = await client.PostAsync("/data", null);
        response.StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Clearing_empties_both_caches()
    {
        await using var application = new Application(_folder);
        var client = application.Client;
        await client.GetAsync("/factorial/3");
        await PostAsync(client, "text");

        using var cleared = await client.PostAsync("/clear-cache", null);

        cleared.StatusCode.Should().Be(HttpStatusCode.NoContent);
        CacheStatus(await client.GetAsync("/factorial/3")).Should().Be("default; fwd=miss");
        CacheStatus(await PostAsync(client, "text")).Should().Be("reports; fwd=miss");
    }

    [Fact]
    public async Task Statistics_tell_what_happened_by_cache()
    {
        await using var application = new Application(_folder);
        var client = application.Client;
        for (var i = 0; i < 4; i++)
        {
            await client.GetAsync("/factorial/7");
        }

        var statistics = await StatisticsAsync(client, "default");
        statistics["hits"]!.GetValue<long>().Should().Be(3);
        statistics["misses"]!.GetValue<long>().Should().Be(1);
        statistics["factoryRuns"]!.GetValue<long>().Should().Be(1);
        statistics["hitRatio"]!.GetValue<double>().Should().Be(0.75);
        statistics["entries"]!.GetValue<long>().Should().Be(1);
        (await StatisticsAsync(client, "reports"))["tiers"]![0]!["circuit"]!.GetValue<string>().Should().Be("Closed");
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient client, string text) =>
        client.PostAsync("/data", new StringContent(text, Encoding.UTF8, "text/plain"));

    private static async Task<JsonNode> StatisticsAsync(HttpClient client, string cache) =>
        (await client.GetFromJsonAsync<JsonNode>("/stats"))![cache]!;

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage response) =>
        JsonNode.Parse(await response.Content.ReadAsStringAsync()) ?? throw new JsonException("The answer is null.");

    private static string CacheStatus(HttpResponseMessage response) => response.Headers.GetValues("Cache-Status").Single();

    /// <summary>The sample, with the directory of the test.</summary>
    // Only a server that listens bounds what it reads. It answers as soon as it knows the length, which a client that is still sending need not notice.
    [Fact(Timeout = 30_000)]
    public async Task A_body_that_is_too_large_is_refused_with_413()
    {
        await using var application = new Application(_folder, listens: true);
        var address = application.Client.BaseAddress!;
        using var connection = new TcpClient();
        await connection.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        await using var stream = connection.GetStream();
        var request = $"POST /data HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Length: {(10 << 20) + 1}\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream, Encoding.ASCII);
        (await reader.ReadLineAsync(TestContext.Current.CancellationToken)).Should().StartWith("HTTP/1.1 413");
    }

    private sealed class Application : IAsyncDisposable
    {
        private readonly WebApplicationFactory<Program> _factory;

        public Application(DirectoryInfo folder, bool listens = false)
        {
            _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(web => web
                .UseSetting("CacheDirectory", folder.FullName)
                .ConfigureLogging(logging => logging.ClearProviders()));
            if (listens)
            {
                _factory.UseKestrel(0);
            }

            Client = _factory.CreateClient();
        }

        public HttpClient Client { get; }

        public async ValueTask DisposeAsync()
        {
            // The program ends on a thread of its own, for which nobody waits: it would still be closing the files when they are deleted.
            await ((IAsyncDisposable)_factory.Services.GetRequiredKeyedService<ICache>("reports")).DisposeAsync();
            await _factory.DisposeAsync();
        }
    }
}
