using System.Diagnostics;
using System.Globalization;
using CacheKit.NodeCheck;
using CacheKit.Redis.Tests.Rig;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Several nodes on one Redis, what they know together, and what befalls them.</summary>
internal sealed class NodeGroup : IAsyncDisposable
{
    /// <summary>Where one harm fills the time there is, it goes on until something has been checked.</summary>
    private const int FewestHits = 500;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-nodes-");
    private readonly NodeProcess[] _nodes;
    private readonly Func<int, NodeProcess> _start;
    private readonly RedisServer[] _servers;
    private readonly TcpProxy? _proxy;
    private readonly string _prefix;
    private readonly SortedDictionary<string, int> _disturbances = new(StringComparer.Ordinal);

    private NodeGroup(RedisServer[] servers, string configuration, TcpProxy? proxy, string prefix, string verb, int nodes, (string, object)[] options)
    {
        (_servers, _proxy, _prefix) = (servers, proxy, prefix);
        Table = new(Path.Combine(_folder.FullName, "table"));
        for (var key = 0; key < Keys; key++)
        {
            Table.RaiseShared(key, 0);
        }

        _start = node => NodeProcess.Start(
            verb,
            [
                ("node", node), ("configuration", node == 0 && proxy is not null ? proxy.Configuration : configuration), ("prefix", prefix),
                ("table", Path.Combine(_folder.FullName, "table")), ("disk", Path.Combine(_folder.FullName, $"disk{node}")), .. options,
            ]);
        _nodes = [.. Enumerable.Range(0, nodes).Select(_start)];
    }

    internal NodeTable Table { get; }

    internal IReadOnlyList<NodeProcess> Nodes => _nodes;

    internal string Output => string.Concat(_nodes.Select(node => node.Output));

    /// <summary>Starts them, and waits until all are ready.</summary>
    /// <param name="servers">The servers.</param>
    /// <param name="configuration">How to reach them.</param>
    /// <param name="proxy">By what way the first node reaches them, if by another.</param>
    /// <param name="prefix">Of their keys.</param>
    /// <param name="verb">What they do.</param>
    /// <param name="nodes">How many they are.</param>
    /// <param name="options">What else they are told.</param>
    internal static async Task<NodeGroup> StartAsync(
        RedisServer[] servers, string configuration, TcpProxy? proxy, string prefix, string verb, int nodes, params (string Name, object Value)[] options)
    {
        var group = new NodeGroup(servers, configuration, proxy, prefix, verb, nodes, options);
        var began = Stopwatch.GetTimestamp();
        while (group.Table[Counter.Ready] < nodes)
        {
            if (Stopwatch.GetElapsedTime(began) > _patience || group._nodes.Any(node => node.HasExited))
            {
                var output = group.Output;
                await group.DisposeAsync();
                Assert.Fail("The nodes have not begun. " + output);
            }

            await Task.Delay(10);
        }

        return group;
    }

    internal NodeProcess StartAnother(int node) => _nodes[node] = _start(node);

    /// <summary>Tells those with traffic to stop, and waits until they have.</summary>
    internal async Task StopAsync()
    {
        Table.IsStopping = true;
        foreach (var node in _nodes)
        {
            (await node.EndAsync(_patience)).Should().BeTrue("a node ends when told to. {0}", node.Output);
        }
    }

    /// <summary>Does one harm after another, until the time is over, and enough was read.</summary>
    internal async Task DisturbAsync(TimeSpan duration, bool killsNodes)
    {
        var began = Stopwatch.GetTimestamp();
        var isCluster = _servers.Length > 1;
        while (Table[Counter.Violations] == 0
            && Stopwatch.GetElapsedTime(began) is var passed && (passed < duration || (Table[Counter.Hits] < FewestHits && passed < _patience)))
        {
            await Task.Delay(Random.Shared.Next(40));
            switch (Random.Shared.Next(60))
            {
                case < 20:
                    await SendAsync("DEL a tag's record", "DEL", $"{_prefix}/nodes/t:{(Random.Shared.Next(2) == 0 ? $"known:{Random.Shared.Next(3)}" : $"late:{Random.Shared.Next(2)}")}");
                    break;
                case < 26:
                    await SendAsync("DEL a record of clears", "DEL", $"{_prefix}/nodes/a:{Random.Shared.Next(8)}");
                    break;
                case < 32:
                    await SendAsync("DEL clock", "DEL", $"{_prefix}/nodes/clock");
                    break;
                case < 36:
                    await SendAsync("DEL log", "DEL", $"{_prefix}/nodes/log");
                    break;
                case < 41:
                    await SendAsync("SCRIPT FLUSH", "SCRIPT", "FLUSH");
                    break;
                case < 44:
                    await WhileNothingIsMadeAsync(isCluster, () => SendAsync("FLUSHALL", "FLUSHALL"));
                    break;
                case < 49:
                    await SendAsync("CLIENT KILL TYPE pubsub", "CLIENT", "KILL", "TYPE", "pubsub");
                    break;
                case < 52:
                    await SendAsync("CLIENT PAUSE", "CLIENT", "PAUSE", Random.Shared.Next(50, 600), "ALL");
                    break;
                case < 54:
                    await WhileNothingIsMadeAsync(isCluster, () => RestartAsync(_servers[Random.Shared.Next(_servers.Length)]));
                    break;
                case < 56 when _proxy is not null:
                    Note("half-open connections");
                    _proxy.HalfOpen();
                    await Task.Delay(Random.Shared.Next(2000));
                    _proxy.Cut();
                    break;
                case < 58 when _proxy is not null:
                    Note("connections cut");
                    _proxy.Cut();
                    break;
                case 58 when killsNodes:
                    Note("kill -9 and restart of a node");
                    var node = Random.Shared.Next(_nodes.Length);
                    await _nodes[node].DisposeAsync();
                    Table.Forget(node);
                    StartAnother(node);
                    break;
            }
        }
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {Table[Counter.Hits]:N0} hits of {Table[Counter.Reads]:N0} reads checked, {Table[Counter.Violations]:N0} violations; {Table[Counter.Factories]:N0} factories, {Table[Counter.Changes]:N0} changes, {Table[Counter.Undelivered]:N0} at first undelivered;
        {Table[Counter.Failures]:N0} calls of Redis failed, {Table[Counter.Exceptions]:N0} exceptions to callers, longest read {Table[Counter.LongestRead] / 1000.0:N0} ms; {string.Join(", ", _disturbances.Select(one => $"{one.Key}: {one.Value}"))}
        """);

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        Table.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>
    /// A single server loses all at once, its clock included, and with that whatever was being made counts as old. Of a cluster one node may lose the traces of removals
    /// while the clock goes on: what is promised then holds for values whose making begins afterwards. So there it is waited until none is being made.
    /// </summary>
    private async Task WhileNothingIsMadeAsync(bool isCluster, Func<Task> act)
    {
        if (!isCluster)
        {
            await act();
            return;
        }

        Table.IsHeld = true;
        var began = Stopwatch.GetTimestamp();
        while (Table.Busy > 0 && Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(5))
        {
            await Task.Delay(5);
        }

        if (Table.Busy == 0)
        {
            await Task.Delay(100); // refreshes in the background
            await act();
        }

        Table.IsHeld = false;
    }

    private async Task RestartAsync(RedisServer server)
    {
        Note("kill -9 and restart of a server");
        await server.KillAsync();
        await Task.Delay(Random.Shared.Next(300));
        await server.LaunchAsync();
    }

    private void Note(string what) => _disturbances[what] = _disturbances.GetValueOrDefault(what) + 1;

    private async Task SendAsync(string what, params object[] command)
    {
        Note(what);
        foreach (var server in _servers)
        {
            try
            {
                await server.SendAsync(command);
            }
            catch (InvalidOperationException)
            {
                // Another node of the cluster has that key.
            }
        }
    }
}
