using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.AspNetCore.Tests;

/// <summary>Session state, which the platform keeps in whatever is registered as <c>IDistributedCache</c>.</summary>
public sealed class SessionTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_session_lives_in_the_cache_as_long_as_it_is_used(bool onDisk)
    {
        var folder = Directory.CreateTempSubdirectory("cachekit-sessions");
        await using var application = await TestApplication.StartAsync(
            services => services
                .AddCacheKit(cache =>
                {
                    cache.AsDistributedCache().WithDefaults(new() { Expiration = TimeSpan.FromMinutes(1) });
                    if (onDisk)
                    {
                        cache.UseDisk(folder.FullName).WithoutMemory();
                    }
                })
                .AddSession(options => options.IdleTimeout = TimeSpan.FromMinutes(20)),
            application =>
            {
                application.UseSession();
                application.Run(context =>
                {
                    var visits = (context.Session.GetInt32("visits") ?? 0) + 1;
                    context.Session.SetInt32("visits", visits);
                    return context.Response.WriteAsync($"{visits}");
                });
            });

        string? cookie = null;
        async Task<string> VisitAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/");
            if (cookie is not null)
            {
                request.Headers.Add("Cookie", cookie);
            }

            var response = await application.Client.SendAsync(request);
            if (response.Headers.TryGetValues("Set-Cookie", out var cookies))
            {
                cookie = cookies.Single().Split(';')[0];
            }

            return await response.Content.ReadAsStringAsync();
        }

        (await VisitAsync()).Should().Be("1");
        (await VisitAsync()).Should().Be("2");
        application.Time.Advance(TimeSpan.FromMinutes(19));
        (await VisitAsync()).Should().Be("3");
        application.Time.Advance(TimeSpan.FromMinutes(19));
        (await VisitAsync()).Should().Be("4");
        application.Time.Advance(TimeSpan.FromMinutes(21));
        (await VisitAsync()).Should().Be("1");
        application.Services.GetRequiredService<ICache>().GetStatistics().Sets.Should().BeGreaterThan(0);
        await application.DisposeAsync();
        folder.Delete(recursive: true);
    }
}
