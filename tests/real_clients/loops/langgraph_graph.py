"""LangGraph: a graph of our own, with a checkpointer."""

from langchain_core.messages import SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from tests.real_clients.task import MODEL, SYSTEM, TASK


@tool
def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


model = ChatOpenAI(model=MODEL, base_url=f"{TASK.url}/v1", api_key="none").bind_tools([read_file])


def think(state: MessagesState) -> dict:
    return {"messages": [model.invoke([SystemMessage(SYSTEM), *state["messages"]])]}


graph = StateGraph(MessagesState)
graph.add_node("think", think)
graph.add_node("tools", ToolNode([read_file]))
graph.add_edge(START, "think")
graph.add_conditional_edges("think", tools_condition)
graph.add_edge("tools", "think")
agent = graph.compile(checkpointer=InMemorySaver())
agent.invoke({"messages": [("user", TASK.prompt)]}, {"configurable": {"thread_id": TASK.agent}})
