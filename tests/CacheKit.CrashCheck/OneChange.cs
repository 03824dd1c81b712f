using CacheKit.Disk;
using CacheKit.Engine;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.CrashCheck;

/// <summary>Opens a cache of memory and disk that another process has open, changes one entry, and ends: for tests of what the other then serves.</summary>
internal static class OneChange
{
    internal static async Task MakeAsync(string directory, string change)
    {
        var store = new DiskStore(new()
        {
            Path = directory,
            CacheName = "default",
            Geometry = Worker.GeometryOf(CheckMode.Default), // those of the other hold
            TimeProvider = TimeProvider.System,
            Logger = NullLogger.Instance,
        });
        await using var cache = new Cache(
            "default", new(), new(), TimeProvider.System, NullLogger.Instance, [], meters: null, stores: [new(store, new())]);
        if (!await cache.ExistsAsync("key"))
        {
            throw new InvalidOperationException("What the other process has written is not here.");
        }

        switch (change)
        {
            case "set":
                await cache.SetAsync("key", 2, new CacheEntryOptions { Tags = ["a", "b"] });
                break;
            case "remove":
                await cache.RemoveAsync("key");
                break;
            case "expire":
                await cache.ExpireAsync("key");
                break;
            case "tag":
                await cache.RemoveByTagAsync("a");
                break;
            case "tags":
                await cache.RemoveByTagsAsync(["a", "b"], TagMatch.All);
                break;
            default:
                await cache.ClearAsync();
                break;
        }
    }
}
