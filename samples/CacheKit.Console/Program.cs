System.Console.WriteLine("CacheKit");
