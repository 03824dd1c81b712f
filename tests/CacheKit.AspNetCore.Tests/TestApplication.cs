using CacheKit.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace CacheKit.AspNetCore.Tests;

/// <summary>A web application in this process, with a clock that moves by hand.</summary>
internal sealed class TestApplication : IAsyncDisposable
{
    private readonly IHost _host;

    private TestApplication(IHost host) => _host = host;

    internal HttpClient Client => _host.GetTestClient();

    internal IServiceProvider Services => _host.Services;

    internal ManualTimeProvider Time => (ManualTimeProvider)Services.GetRequiredService<TimeProvider>(); // registered below

    internal static async Task<TestApplication> StartAsync(Action<IServiceCollection> services, Action<IApplicationBuilder> configure)
    {
        var host = new HostBuilder().ConfigureWebHost(web => web
            .UseTestServer()
            .ConfigureServices(collection =>
            {
                collection.AddRouting();
                collection.AddSingleton<TimeProvider>(new ManualTimeProvider());
                collection.Configure<MemoryOptions>(memory => memory.MaintenanceInterval = TimeSpan.FromHours(1));
                services(collection);
            })
            .Configure(configure)).Build();
        await host.StartAsync();
        return new(host);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
